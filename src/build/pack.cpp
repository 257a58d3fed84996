#include "build/pack.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <map>
#include <set>

#include "build/git_ignore.hpp"
#include "build/ignore.hpp"
#include "build/tar_stream.hpp"
#include "os/file.hpp"

namespace loco::build {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMaxDockerfile = 1U << 20;
constexpr std::size_t kMaxIgnoreFile = 1U << 20;
constexpr int kMaxDepth = 100;
constexpr std::size_t kMaxOffenders = 8;
constexpr std::size_t kMaxLeftOut = 100;
// What a Dockerfile outside of the context is called inside of it.
constexpr const char* kOutsideName = ".loco-dockerfile";

std::string megabytes(std::uint64_t bytes) { return std::to_string(bytes >> 20U) + " MiB"; }

// `file` relative to `folder`, when it lies in it.
std::optional<std::string> inside(const fs::path& folder, const fs::path& file) {
    std::string relative = file.lexically_relative(folder).generic_string();
    if (relative.empty() || relative == ".." || relative.starts_with("../")) return std::nullopt;
    return relative;
}

}  // namespace

struct Context::Impl {
    fs::path root;
    std::string dockerfile_name;
    std::string dockerfile_text;
    std::optional<IgnoreRules> rules;  // of a .dockerignore
    std::optional<GitIgnore> git;      // where there is none
    std::set<std::string> secret_files;
    std::vector<TarEntry> entries;
    ContextSummary summary;

    [[nodiscard]] Result<> choose_rules(const fs::path& dockerfile);
    [[nodiscard]] Result<bool> ignored(const std::string& path, bool folder) const;
    [[nodiscard]] std::string_view guarded(const std::string& path, EntryType type) const;
    void leave_out(std::string path, std::string_view why);
    void find_largest();
};

namespace {

// One walk through a context's folder.
class Walk {
  public:
    Walk(Context::Impl& context, const PackRequest& request)
        : context_(context), request_(request) {}

    // `guarded`: the folder holds secrets, only what is named on purpose goes in.
    [[nodiscard]] Result<> folder(const std::string& path, bool guarded, int depth);

  private:
    [[nodiscard]] Result<> entry(const std::string& path, bool in_guarded, int depth);
    [[nodiscard]] Result<> add(TarEntry entry);

    Context::Impl& context_;
    const PackRequest& request_;
    std::vector<TarEntry> pending_;  // folders that go in once something in them does
};

Result<> Walk::folder(const std::string& path, bool guarded, int depth) {
    if (depth > kMaxDepth) {
        return fail(ErrorKind::too_large, "the build context is nested too deeply: " + path,
                    "leave it out in .dockerignore", "context_too_large");
    }
    std::error_code error;
    std::vector<std::string> names;
    for (fs::directory_iterator it(context_.root / path, error), end; !error && it != end;
         it.increment(error)) {
        names.push_back(it->path().filename().string());
        if (names.size() > request_.max_entries) {
            return fail(ErrorKind::too_large,
                        "the folder " + (path.empty() ? "." : path) + " holds more than " +
                            std::to_string(request_.max_entries) + " entries",
                        "leave it out in .dockerignore", "context_too_large");
        }
    }
    if (error) {
        return fail(
            ErrorKind::forbidden,
            "cannot read the folder " + (path.empty() ? "." : path) + ": " + error.message(),
            "leave it out in .dockerignore, or make it readable", "context_unreadable");
    }
    std::ranges::sort(names);
    for (const auto& name : names) {
        if (request_.cancelled && request_.cancelled()) {
            return fail(ErrorKind::interrupted, "packing the build context was interrupted");
        }
        LOCO_TRY(entry(path.empty() ? name : path + "/" + name, guarded, depth));
    }
    return {};
}

Result<> Walk::entry(const std::string& path, bool in_guarded, int depth) {
    struct stat status{};
    const std::string full = (context_.root / path).string();
    if (lstat(full.c_str(), &status) != 0) {
        if (errno == ENOENT) return {};  // gone since the folder was listed
        return fail_errno(errno, "look at " + path);
    }
    const bool folder_here = S_ISDIR(status.st_mode);
    if (!folder_here && !S_ISREG(status.st_mode) && !S_ISLNK(status.st_mode)) {
        context_.leave_out(path, "neither a file nor a folder nor a link");
        return {};
    }
    const EntryType type = folder_here               ? EntryType::folder
                           : S_ISLNK(status.st_mode) ? EntryType::link
                                                     : EntryType::file;
    const bool is_dockerfile = path == context_.dockerfile_name;
    const auto* rules = context_.rules ? &*context_.rules : nullptr;

    LOCO_ASSIGN(const bool ignored, context_.ignored(path, folder_here));
    if (ignored && !is_dockerfile) {
        const bool enter = folder_here && ((rules != nullptr && rules->may_take_back_below(path)) ||
                                           context_.dockerfile_name.starts_with(path + "/"));
        if (!enter) return {};
    }
    bool kept_out = in_guarded;
    if (!is_dockerfile) {
        const std::string_view why = context_.guarded(path, type);
        const bool named = rules != nullptr && rules->names(path);
        if (named) {
            kept_out = false;
        } else if (!why.empty()) {
            if (!in_guarded && !ignored) context_.leave_out(path + (folder_here ? "/" : ""), why);
            kept_out = true;
        }
        if (kept_out && !(folder_here && rules != nullptr && rules->names_below(path))) return {};
    }
    TarEntry made{.path = path,
                  .type = type,
                  .size = type == EntryType::file ? static_cast<std::uint64_t>(status.st_size) : 0,
                  .mode = status.st_mode & 07777U,
                  .modified = status.st_mtim.tv_sec};
    if (!folder_here) {
        if (type == EntryType::link) {
            std::error_code error;
            made.link = fs::read_symlink(full, error).string();
            if (error)
                return fail(ErrorKind::internal, "read the link " + path + ": " + error.message());
        }
        return add(std::move(made));
    }
    // A folder that is itself left out goes in only for the sake of what is taken back below it.
    if (ignored || kept_out) {
        pending_.push_back(std::move(made));
        LOCO_TRY(folder(path, kept_out, depth + 1));
        if (!pending_.empty() && pending_.back().path == path) pending_.pop_back();
        return {};
    }
    LOCO_TRY(add(std::move(made)));
    return folder(path, kept_out, depth + 1);
}

Result<> Walk::add(TarEntry entry) {
    for (auto& parent : pending_) context_.entries.push_back(std::move(parent));
    pending_.clear();
    if (entry.type == EntryType::file) {
        ++context_.summary.files;
        context_.summary.bytes += entry.size;
    }
    context_.entries.push_back(std::move(entry));
    if (context_.entries.size() <= request_.max_entries &&
        context_.summary.bytes <= request_.max_bytes) {
        return {};
    }
    context_.find_largest();
    const auto bound = context_.summary.bytes > request_.max_bytes
                           ? megabytes(request_.max_bytes)
                           : std::to_string(request_.max_entries) + " files and folders";
    Error error{.kind = ErrorKind::too_large,
                .message = "the build context is larger than " + bound,
                .hint =
                    "leave out what the build does not need in .dockerignore, or allow more: "
                    "loco deploy --max-context 20Gi",
                .code = "context_too_large"};
    for (const auto& offender : context_.summary.largest) {
        if (offender.bytes < context_.summary.bytes / 20) break;  // leaving that out helps nobody
        error.next_steps.push_back("leave out " + offender.path + " (" + megabytes(offender.bytes) +
                                   ") in .dockerignore");
    }
    return fail(std::move(error));
}

}  // namespace

Result<> Context::Impl::choose_rules(const fs::path& dockerfile) {
    fs::path own = dockerfile;
    own += ".dockerignore";
    for (const fs::path& file : {own, root / ".dockerignore"}) {
        auto text = os::read_file(file, kMaxIgnoreFile);
        if (!text) {
            if (text.error().kind == ErrorKind::not_found) continue;
            return fail(std::move(text).error());
        }
        summary.ignore_file = file.filename().string();
        LOCO_ASSIGN(rules, IgnoreRules::parse(*text, summary.ignore_file));
        return {};
    }
    LOCO_ASSIGN(git, GitIgnore::find(root));
    if (git) summary.ignore_file = ".gitignore";
    return {};
}

Result<bool> Context::Impl::ignored(const std::string& path, bool folder) const {
    if (rules) return rules->decide(path).ignored;
    if (git) return git->ignored(path, folder);
    return false;
}

std::string_view Context::Impl::guarded(const std::string& path, EntryType type) const {
    if (secret_files.contains(path)) return "a secret of [build.secrets]";
    return why_guarded(path, type, root / path);
}

void Context::Impl::leave_out(std::string path, std::string_view why) {
    if (summary.left_out.size() >= kMaxLeftOut) return;
    summary.left_out.push_back({.path = std::move(path), .why = std::string(why)});
}

// Each file counts for all folders above it. From the largest entry at the top one goes down as long as one
// child holds nearly all: "node_modules/", but "assets/videos/intro.mp4".
void Context::Impl::find_largest() {
    std::map<std::string, std::uint64_t> totals;
    std::map<std::string, std::vector<std::string>> children;
    for (const auto& entry : entries) {
        if (entry.type != EntryType::file || entry.size == 0) continue;
        std::string at = entry.path;
        while (true) {
            const bool first = totals.find(at) == totals.end();
            totals[at] += entry.size;
            const auto slash = at.ends_with('/') ? at.rfind('/', at.size() - 2) : at.rfind('/');
            std::string parent = slash == std::string::npos ? "" : at.substr(0, slash + 1);
            if (first) children[parent].push_back(at);
            if (parent.empty()) break;
            at = std::move(parent);
        }
    }
    summary.largest.clear();
    for (std::string at : children[""]) {
        const std::uint64_t bytes = totals[at];
        for (bool narrower = true; narrower;) {
            narrower = false;
            const auto below = children.find(at);
            if (below == children.end()) break;
            for (const auto& child : below->second) {
                if (totals[child] * 10 < bytes * 9) continue;
                at = child;
                narrower = true;
                break;
            }
        }
        summary.largest.push_back({.path = at, .bytes = totals[at]});
    }
    std::ranges::sort(summary.largest, [](const Offender& a, const Offender& b) {
        return a.bytes != b.bytes ? a.bytes > b.bytes : a.path < b.path;
    });
    if (summary.largest.size() > kMaxOffenders) summary.largest.resize(kMaxOffenders);
}

Result<Context> Context::scan(const PackRequest& request) {
    auto impl = std::make_unique<Impl>();
    std::error_code error;
    impl->root = fs::canonical(request.context, error);
    if (error || !fs::is_directory(impl->root, error)) {
        return fail(ErrorKind::invalid,
                    "the build context " + request.context.string() + " is no folder",
                    "set build.context in loco.toml", "no_context");
    }
    auto text = os::read_file(request.dockerfile, kMaxDockerfile);
    if (!text) {
        if (text.error().kind != ErrorKind::not_found) return fail(std::move(text).error());
        return fail(ErrorKind::invalid, "there is no " + request.dockerfile.string(),
                    "write a Dockerfile, or set build.dockerfile in loco.toml to where it is",
                    "no_dockerfile");
    }
    impl->dockerfile_text = *std::move(text);
    // The folder is canonical, the file itself may be a link: its name in the tar is where it was named.
    const fs::path folder =
        fs::weakly_canonical(fs::absolute(request.dockerfile, error).parent_path(), error);
    const fs::path dockerfile = folder / request.dockerfile.filename();
    impl->dockerfile_name = inside(impl->root, dockerfile).value_or(kOutsideName);
    for (const auto& file : request.secret_files) {
        const auto path = inside(impl->root, fs::weakly_canonical(file, error));
        if (path) impl->secret_files.insert(*path);
    }
    LOCO_TRY(impl->choose_rules(dockerfile));

    Walk walk(*impl, request);
    LOCO_TRY(walk.folder("", /*guarded=*/false, 0));
    // Sent as it was read above, so that the lines told of a failure are those that were built.
    std::erase_if(impl->entries,
                  [&](const TarEntry& entry) { return entry.path == impl->dockerfile_name; });
    impl->entries.insert(impl->entries.begin(), {.path = impl->dockerfile_name,
                                                 .type = EntryType::file,
                                                 .size = impl->dockerfile_text.size(),
                                                 .mode = 0644,
                                                 .modified = 0,
                                                 .link = {},
                                                 .in_memory = true});
    impl->find_largest();
    return Context(std::move(impl));
}

Context::Context(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Context::Context(Context&&) noexcept = default;
Context& Context::operator=(Context&&) noexcept = default;
Context::~Context() = default;

const ContextSummary& Context::summary() const { return impl_->summary; }
const std::string& Context::dockerfile_name() const { return impl_->dockerfile_name; }
const std::string& Context::dockerfile_text() const { return impl_->dockerfile_text; }

std::vector<std::string> Context::paths() const {
    std::vector<std::string> result;
    for (const auto& entry : impl_->entries) {
        result.push_back(entry.path + (entry.type == EntryType::folder ? "/" : ""));
    }
    return result;
}

std::function<Result<std::string>()> Context::stream() const {
    auto stream = std::make_shared<TarStream>(impl_->root, impl_->entries, impl_->dockerfile_text);
    return [stream] { return stream->next(); };
}

std::optional<std::string> Context::why_left_out(const std::string& path) const {
    const std::string clean = fs::path(path).lexically_normal().relative_path().generic_string();
    const auto taken = [&](const std::string& at) {
        return std::ranges::any_of(impl_->entries, [&](const TarEntry& e) { return e.path == at; });
    };
    if (clean == "." || clean == ".." || clean.starts_with("../")) return std::nullopt;
    for (auto slash = clean.find('/');; slash = clean.find('/', slash + 1)) {
        const std::string at = clean.substr(0, slash);
        std::error_code error;
        const auto status = fs::symlink_status(impl_->root / at, error);
        if (error || !fs::exists(status)) return std::nullopt;
        const bool folder = fs::is_directory(status);
        if (!taken(at)) {
            const EntryType type = folder                   ? EntryType::folder
                                   : fs::is_symlink(status) ? EntryType::link
                                                            : EntryType::file;
            if (const auto why = impl_->guarded(at, type); !why.empty()) {
                return "Loco leaves " + at + " out because it is " + std::string(why) +
                       "; to send it all the same, put `!" + at + "` into .dockerignore";
            }
            if (impl_->rules) {
                if (const auto decision = impl_->rules->decide(at); decision.ignored) {
                    return impl_->summary.ignore_file + " line " +
                           std::to_string(decision.rule->line) + " (`" + decision.rule->pattern +
                           "`) leaves " + at + " out";
                }
            } else if (const auto out = impl_->ignored(at, folder); out && *out) {
                return ".gitignore leaves " + at +
                       " out; write a .dockerignore to say what builds may use";
            }
        }
        if (slash == std::string::npos) return std::nullopt;
    }
}

}  // namespace loco::build
