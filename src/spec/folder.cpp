#include "spec/folder.hpp"

#include <algorithm>
#include <system_error>

#include "domain/names.hpp"
#include "os/file.hpp"
#include "spec/toml.hpp"

namespace loco::spec {

namespace fs = std::filesystem;

Result<SpecFile> open_spec(const fs::path& path, std::string profile) {
    std::error_code code;
    fs::path file = fs::is_directory(path, code) ? path / "loco.toml" : path;
    if (!fs::exists(file, code)) {
        return fail(ErrorKind::not_found, "there is no " + file.lexically_normal().string(),
                    "write one with `loco init`, or name another with `-c FILE`", "no_spec");
    }
    LOCO_ASSIGN(std::string text, os::read_file(file, kMaxSpecBytes));
    fs::path folder =
        fs::canonical(file.parent_path().empty() ? fs::path(".") : file.parent_path(), code);
    if (code) return fail_errno(code.value(), "the folder of " + file.string());
    SpecFile result{.folder = folder, .text = std::move(text), .options = {}};
    result.options.file = file.lexically_normal().string();
    result.options.default_name = folder.filename().string();
    result.options.profile = std::move(profile);
    result.options.exists_inside = [folder](std::string_view relative) {
        return look_inside(folder, relative);
    };
    return result;
}

PathState look_inside(const fs::path& folder, std::string_view relative) {
    std::error_code code;
    const fs::path root = fs::canonical(folder, code);
    if (code) return PathState::missing;
    const fs::path target = fs::canonical(root / fs::path(relative), code);
    if (code) {
        return code == std::errc::no_such_file_or_directory || code == std::errc::not_a_directory
                   ? PathState::missing
                   : PathState::other;
    }
    if (std::ranges::mismatch(root, target).in1 != root.end()) return PathState::outside;
    const auto status = fs::status(target, code);
    if (code) return PathState::other;
    if (fs::is_regular_file(status)) return PathState::file;
    if (fs::is_directory(status)) return PathState::folder;
    return PathState::other;
}

std::optional<std::string> name_in(std::string_view text, std::string_view profile) {
    const auto table = parse_toml(text);
    if (!table) return std::nullopt;
    const auto path =
        profile.empty() ? std::string("name") : "profile." + std::string(profile) + ".name";
    const auto* name = find_path(*table, path);
    if (name == nullptr || name->value.kind != Node::Kind::string ||
        app_name_problem(name->value.text))
        return std::nullopt;
    return name->value.text;
}

}  // namespace loco::spec
