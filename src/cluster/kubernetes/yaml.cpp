#include "cluster/kubernetes/yaml.hpp"

#include <algorithm>
#include <array>
#include <boost/json/serialize.hpp>
#include <sstream>

namespace loco::cluster {
namespace {

namespace json = boost::json;

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

// Whether a reader of YAML 1.1 or 1.2 takes the bare text for this very string. Too careful rather than too short.
bool is_plain(std::string_view text) {
    constexpr std::array<std::string_view, 9> kWords = {"true", "false", "yes", "no", "on",
                                                        "off",  "null",  "y",   "n"};
    if (text.empty() || !(is_letter(text[0]) || text[0] == '/')) return false;
    const bool simple = std::ranges::all_of(text, [](char c) {
        return is_letter(c) || is_digit(c) ||
               std::string_view("-_./@").find(c) != std::string_view::npos;
    });
    std::string lower(text);
    std::ranges::transform(lower, lower.begin(),
                           [](char c) { return c >= 'A' && c <= 'Z' ? char(c - 'A' + 'a') : c; });
    return simple && std::ranges::find(kWords, lower) == kWords.end();
}

// Of "sha256:…" and "host:5000/shop@sha256:…": a colon that no space follows is a part of the text.
bool is_plain_reference(std::string_view text) {
    std::string without(text);
    std::ranges::replace(without, ':', '.');
    return !text.empty() && !text.ends_with(':') &&
           text.find("@sha256:") != std::string_view::npos && is_plain(without);
}

std::string scalar(const json::value& value) {
    if (const auto* text = value.if_string()) {
        const std::string_view plain(text->data(), text->size());
        if (is_plain(plain) || is_plain_reference(plain)) return std::string(plain);
    }
    return json::serialize(value);  // which JSON is, YAML is too
}

bool is_block(const json::value& value) {
    return (value.is_object() && !value.get_object().empty()) ||
           (value.is_array() && !value.get_array().empty());
}

// Words and numbers only, few: ["ALL"] stays on its line.
bool is_short_list(const json::value& value) {
    const auto* list = value.if_array();
    if (list == nullptr) return false;
    std::size_t length = 0;
    for (const auto& item : *list) {
        if (item.is_object() || item.is_array()) return false;
        length += scalar(item).size() + 2;
    }
    return length <= 60;
}

std::string short_list(const json::array& list) {
    std::string text = "[";
    for (const auto& item : list) {
        if (text.size() > 1) text += ", ";
        text += scalar(item);
    }
    return text + "]";
}

class Writer {
  public:
    // At the start of a line, or behind "- " (then the first key goes on it).
    void block(const json::value& value, int indent, bool on_the_line) {
        const std::string margin(static_cast<std::size_t>(indent), ' ');
        bool first = on_the_line;
        const auto begin = [&] {
            if (!first) text_ += margin;
            first = false;
        };
        if (const auto* object = value.if_object()) {
            for (const auto& [key, item] : *object) {
                begin();
                text_ += scalar(json::value(key)) + ":";
                member(item, indent);
            }
        } else {
            for (const auto& item : value.get_array()) {
                begin();
                text_ += "- ";
                if (is_block(item)) {
                    block(item, indent + 2, /*on_the_line=*/true);
                } else {
                    text_ += scalar(item) + "\n";
                }
            }
        }
    }
    [[nodiscard]] std::string take() { return std::move(text_); }

  private:
    void member(const json::value& item, int indent) {
        if (is_short_list(item)) {
            text_ += " " + short_list(item.get_array()) + "\n";
        } else if (is_block(item)) {
            text_ += "\n";
            // A list begins where its key does, as kubectl prints it.
            block(item, item.is_array() ? indent : indent + 2, /*on_the_line=*/false);
        } else {
            text_ += " " + scalar(item) + "\n";
        }
    }

    std::string text_;
};

}  // namespace

std::string to_yaml(const kubernetes::Object& object) {
    if (!is_block(object)) return scalar(object) + "\n";
    Writer writer;
    writer.block(object, 0, /*on_the_line=*/false);
    return writer.take();
}

std::string to_yaml(const std::vector<Manifest>& manifests) {
    std::string text;
    for (const auto& manifest : manifests) {
        text += "---\n";
        std::istringstream comment(manifest.comment);
        for (std::string line; std::getline(comment, line);) text += "# " + line + "\n";
        text += to_yaml(manifest.object);
    }
    return text;
}

}  // namespace loco::cluster
