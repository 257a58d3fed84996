#include "registry/layer_walk.hpp"

#include <algorithm>

#include "registry/layer_tar.hpp"

namespace loco::registry {
namespace {

using Kind = LayerEntry::Kind;

constexpr int kMaxLinks = 8;  // as engine/containers.cpp
constexpr std::string_view kWhiteout = ".wh.";
constexpr std::string_view kOpaque = ".wh..wh..opq";

std::string parent_of(std::string_view path) {
    const auto slash = path.rfind('/');
    return std::string(slash == std::string_view::npos ? std::string_view()
                                                       : path.substr(0, slash));
}

std::string join(std::string_view folder, std::string_view name) {
    return folder.empty() ? std::string(name) : std::string(folder) + "/" + std::string(name);
}

// Below the folder, however deep; all is below the root ("").
bool is_below(std::string_view path, std::string_view folder) {
    return folder.empty() ||
           (path.size() > folder.size() && path.starts_with(folder) && path[folder.size()] == '/');
}

// Where a link in that folder leads; ".." ends at the root.
std::string follow(std::string folder, std::string_view link) {
    if (link.starts_with('/')) folder.clear();
    while (!link.empty()) {
        const auto slash = link.find('/');
        const auto part = link.substr(0, slash);
        link = slash == std::string_view::npos ? std::string_view() : link.substr(slash + 1);
        if (part.empty() || part == ".") continue;
        folder = part == ".." ? parent_of(folder) : join(folder, part);
    }
    return folder;
}

// One file that is looked for. What an upper layer says of it counts; of one layer's entries, the last.
class Search {
  public:
    explicit Search(std::string path) : path_(std::move(path)) {}

    [[nodiscard]] bool looks_at(std::size_t layer) const {
        return !done_ && !redirected_ && layer <= from_;
    }
    [[nodiscard]] bool done() const { return done_; }
    [[nodiscard]] std::string take() { return std::move(content_); }

    void begin_walk() {
        if (redirected_) {
            redirected_ = false;
            solid_ = 0;
            if (++links_ > kMaxLinks || path_.empty()) end({});
        }
    }

    [[nodiscard]] Result<> see(const LayerEntry& entry, const ReadEntry& read) {
        const auto folder = parent_of(entry.path);
        const auto name =
            std::string_view(entry.path).substr(folder.empty() ? 0 : folder.size() + 1);
        if (name == kOpaque) {
            if (is_below(path_, folder)) hidden_ = true;
        } else if (name.starts_with(kWhiteout)) {
            const auto gone = join(folder, name.substr(kWhiteout.size()));
            if (path_ == gone || is_below(path_, gone)) hidden_ = true;
        } else if (entry.path == path_) {
            LOCO_TRY(see_itself(entry, read));
        } else if (is_below(path_, entry.path)) {
            see_folder(entry);
        }
        return {};
    }

    void end_layer(std::size_t layer) {
        switch (found_) {
            case Found::file: end(std::move(content_)); break;
            case Found::absent: end({}); break;
            case Found::symlink: redirect(std::string::npos); break;
            case Found::hardlink: redirect(layer); break;
            case Found::nothing:
                if (hidden_) end({});
                break;
        }
        found_ = Found::nothing;
        hidden_ = false;
        solid_ = std::max(solid_, solid_here_);
        solid_here_ = 0;
    }
    void end_walk() {
        if (!redirected_) end({});
    }

  private:
    enum class Found : std::uint8_t { nothing, file, symlink, hardlink, absent };

    [[nodiscard]] Result<> see_itself(const LayerEntry& entry, const ReadEntry& read) {
        found_ = Found::absent;
        at_ = entry.path;
        if (entry.kind == Kind::file) {
            LOCO_ASSIGN(content_, read());
            found_ = Found::file;
        } else if (entry.kind == Kind::symlink) {
            found_ = Found::symlink;
            link_ = follow(parent_of(path_), entry.target);
        } else if (entry.kind == Kind::hardlink) {
            found_ = Found::hardlink;
            link_ = normal_path(entry.target);
        }
        return {};
    }

    void see_folder(const LayerEntry& entry) {
        if (entry.kind == Kind::directory) {
            solid_here_ = std::max(solid_here_, entry.path.size());
            // It replaces what the layer had there.
            if (found_ != Found::nothing && at_ == entry.path) found_ = Found::nothing;
            return;
        }
        at_ = entry.path;
        found_ = Found::absent;
        // A folder that an upper layer has there hides the link.
        if (entry.kind != Kind::symlink || entry.path.size() <= solid_) return;
        found_ = Found::symlink;
        link_ = join(follow(parent_of(entry.path), entry.target),
                     std::string_view(path_).substr(entry.path.size() + 1));
    }

    // A symbolic link is looked up in the whole image, a hard one in its own layer and those below.
    void redirect(std::size_t from) {
        path_ = std::move(link_);
        from_ = from;
        redirected_ = true;
    }
    void end(std::string content) {
        content_ = std::move(content);
        done_ = true;
    }

    std::string path_;
    std::string content_;
    std::string link_;
    std::string at_;  // the entry that found_ is of
    std::size_t from_ = std::string::npos;
    std::size_t solid_ = 0;  // the length of the longest part of path_ that is a folder above
    std::size_t solid_here_ = 0;
    Found found_ = Found::nothing;
    int links_ = 0;
    bool hidden_ = false;
    bool redirected_ = false;  // goes on with the next walk
    bool done_ = false;
};

std::unexpected<Error> too_much(std::string_view what) {
    return fail(ErrorKind::refused,
                "who the image's USER is cannot be looked up in its layers: " + std::string(what),
                "set a numeric USER with its group: USER 10001:10001", "image_user_unreadable");
}

}  // namespace

Result<> WalkBudget::stored(std::size_t bytes) {
    left_.stored_bytes -= static_cast<std::int64_t>(bytes);
    if (left_.stored_bytes < 0) return too_much("they are too large");
    return {};
}

Result<> WalkBudget::unpacked(std::size_t bytes) {
    left_.unpacked_bytes -= static_cast<std::int64_t>(bytes);
    if (left_.unpacked_bytes < 0) return too_much("they are too large once unpacked");
    return {};
}

Result<> WalkBudget::entry() {
    if (--left_.entries < 0) return too_much("they hold too many files");
    return {};
}

Duration WalkBudget::time_left() const { return deadline_ - clock_.steady(); }

Result<> WalkBudget::go_on() const {
    if (stopped_ != nullptr && *stopped_) return fail(ErrorKind::interrupted, "the server stops");
    if (clock_.steady() > deadline_) return too_much("it takes too long");
    return {};
}

Result<std::vector<std::string>> read_files(const std::vector<std::string>& paths,
                                            std::size_t layers, const OpenLayer& open,
                                            WalkBudget& budget) {
    std::vector<Search> searches;
    for (const auto& path : paths) searches.emplace_back(normal_path(path));
    while (!std::ranges::all_of(searches, &Search::done)) {
        for (auto& search : searches) search.begin_walk();
        for (std::size_t layer = layers; layer-- > 0;) {
            const auto looks = [&](const Search& search) { return search.looks_at(layer); };
            if (std::ranges::none_of(searches, looks)) continue;
            LOCO_TRY(budget.go_on());
            LOCO_ASSIGN(const ByteSource source, open(layer));
            LOCO_TRY(read_layer(source, budget,
                                [&](const LayerEntry& entry, const ReadEntry& read) -> Result<> {
                                    for (auto& search : searches) {
                                        if (looks(search)) LOCO_TRY(search.see(entry, read));
                                    }
                                    return {};
                                }));
            for (auto& search : searches) {
                if (looks(search)) search.end_layer(layer);
            }
        }
        for (auto& search : searches) {
            if (!search.done()) search.end_walk();
        }
    }
    std::vector<std::string> contents;
    for (auto& search : searches) contents.push_back(search.take());
    return contents;
}

}  // namespace loco::registry
