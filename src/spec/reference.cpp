#include "spec/reference.hpp"

#include <string_view>

#include "spec/schema.hpp"
#include "spec/value.hpp"

namespace loco::spec {
namespace {

constexpr std::string_view kIntroduction = R"(# loco.toml

What an app is, and how it is built and run: one file beside the Dockerfile, in [TOML](https://toml.io/en/v1.0.0). `loco init`
writes one, `loco validate` checks it, and `loco deploy` refuses a wrong one before it does anything.

```toml
version = 1
name = "shop"

[http]
port = 3000
```

Everything else has a default. Paths are relative to the file and stay inside its folder. A key that is not here is a mistake, and so
is one that this version of Loco cannot honour: nothing is ignored.

- **Durations** are Go's, with `d` for days: `"250ms"`, `"90s"`, `"1h30m"`, `"7d"`. A number without a unit is refused.
- **Quantities** are Kubernetes': `"250m"` is a quarter of a core; `"256Mi"` is 256 · 2^20 bytes, `"1G"` is 10^9. Beware of `"100m"` as
  memory: that is a tenth of a byte.
)";

constexpr std::string_view kEnding = R"(
## In the app's environment

Loco sets `PORT` (that of `[http]`), `LOCO_APP`, `LOCO_TEAM`, `LOCO_RELEASE`, `LOCO_PROCESS`, `LOCO_INSTANCE` and `LOCO_URL`.

## Reserved for later

`type = "static"`, `[[volumes]]`, `[cron.NAME]`, `idle_after` and `[logs] retention` other than `7d` are known and refused until Loco honours them.

## Where apps run

The same file deploys to one machine and to Kubernetes. What differs:

| key | one machine | Kubernetes |
| --- | --- | --- |
| `scale.cpu_target`, `scale.max` | refused | a HorizontalPodAutoscaler (the cluster needs metrics.k8s.io) |
| `health.path` with `protocol = "h2c"` | asked in HTTP/2 | refused: the kubelet asks in HTTP/1.1 |
| no `health.path` | any answer below 500 to `/` is healthy | accepting connections is |
| `health.interval`, `health.timeout` | milliseconds | rounded up to whole seconds |
| `health.failures` | out of rotation, and replaced | out of rotation; after three times as many the container is started anew |
| `deploy.stop_timeout` | ends as soon as no request is in flight | SIGTERM comes 5 s after the pod has left rotation |
| `http.idle_timeout` | applied | the Gateway's own; an event says so where the key is set |
| `APP.internal:PORT` | by this name | as `web.NAMESPACE:PORT`; the main port is 80 there |
)";

// A bar would end the table's cell.
std::string cell(std::string_view text) {
    std::string result;
    for (const char c : text) {
        if (c == '|') result += '\\';
        result += c;
    }
    return result;
}

void add_header(std::string& out) {
    out += "\n| key | what | value | default |\n| --- | --- | --- | --- |\n";
}

template <class Owner>
void add_row(std::string& out, std::string_view key, const Field<Owner>& field, Owner& defaults) {
    const std::string fallback =
        field.required ? "**required**"
        : !field.default_words.empty()
            ? std::string(field.default_words)
            : "`" + to_toml(write_value(field.rule, field.slot(defaults))) + "`";
    out += "| `" + std::string(key) + "` | " + cell(field.doc) + " | " +
           cell(describe(field.rule)) + " | " + cell(fallback) + " |\n";
}

template <class Owner>
void add_flat(std::string& out, std::span<const Field<Owner>> fields, Owner defaults) {
    add_header(out);
    for (const auto& field : fields) add_row(out, field.path, field, defaults);
}

void add_section(std::string& out, const Section& section) {
    out += "\n## " +
           std::string(section.path.empty() ? section.header
                                            : "`" + std::string(section.header) + "`") +
           "\n\n" + std::string(section.doc) + "\n";
    if (section.path == "ports") return add_flat(out, port_fields(), PortSpec{});
    if (section.path == "process") return add_flat(out, process_fields(), ProcessSpec{});
    if (section.path == "profile") {
        out +=
            "\n```toml\n[profile.staging]\nname = "
            "\"shop-staging\"\n\n[profile.staging.env]\nLOG_LEVEL = \"debug\"\n```\n";
        return;
    }
    AppSpec defaults = default_spec();
    bool header = false;
    for (const auto& field : app_fields()) {
        const auto dot = field.path.find('.');
        const bool table_itself = field.path == section.path;  // [env]
        const auto owner =
            dot == std::string_view::npos ? std::string_view() : field.path.substr(0, dot);
        if (table_itself) {
            out +=
                "\n" + std::string(field.doc) + "\n\n```toml\n[env]\nLOG_LEVEL = \"info\"\n```\n";
        } else if (owner == section.path && field.path != "env") {
            if (!header) add_header(out);
            header = true;
            add_row(out, field.path.substr(owner.empty() ? 0 : dot + 1), field, defaults);
        }
    }
}

}  // namespace

std::string reference_markdown() {
    std::string out(kIntroduction);
    for (const auto& section : sections()) add_section(out, section);
    out += kEnding;
    return out;
}

}  // namespace loco::spec
