#include "build/diagnose.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>

#include "spec/suggest.hpp"

namespace loco::build {
namespace {

constexpr std::size_t kMaxShown = 400;
constexpr std::size_t kMaxReason = 600;

bool has(std::string_view text, std::string_view words) {
    return text.find(words) != std::string_view::npos;
}

// The number right behind `words`.
std::optional<int> number_after(std::string_view text, std::string_view words) {
    const auto at = text.rfind(words);
    if (at == std::string_view::npos) return std::nullopt;
    const auto from = text.data() + at + words.size();
    int value = 0;
    const auto [stop, error] = std::from_chars(from, text.data() + text.size(), value);
    if (error != std::errc() || value < 0) return std::nullopt;
    return value;
}

std::string between_quotes(std::string_view text) {
    constexpr char quote = '"';
    const auto open = text.find(quote);
    if (open == std::string_view::npos) return {};
    const auto close = text.find(quote, open + 1);
    if (close == std::string_view::npos) return {};
    return std::string(text.substr(open + 1, close - open - 1));
}

std::string cut(std::string text, std::size_t limit) {
    if (text.size() <= limit) return text;
    text.resize(limit);
    while (!text.empty() && (static_cast<unsigned char>(text.back()) & 0xC0U) == 0x80) {
        text.pop_back();
    }
    if (!text.empty() && (static_cast<unsigned char>(text.back()) & 0x80U) != 0) text.pop_back();
    return text + "…";
}

class Diagnosis {
  public:
    explicit Diagnosis(const Evidence& evidence)
        : evidence_(evidence), step_(evidence.progress.failed()) {
        failure_.error.kind = ErrorKind::build_failed;
        failure_.dockerfile = evidence.context.dockerfile_name();
        // BuildKit's own reason is its last word; newer ones show lines of the Dockerfile before it.
        const auto& remarks = evidence.progress.remarks();
        for (const auto& remark : remarks) {
            if (has(remark, "failed to ") || has(remark, "executor failed")) reason_ = remark;
        }
        if (reason_.empty() && !remarks.empty()) reason_ = remarks.back();
        if (step_ != nullptr) {
            why_ = step_->error;
            failure_.tail.assign(step_->tail.begin(), step_->tail.end());
            point_at(locate(evidence.dockerfile, step_->name));
        } else {
            why_ = reason_;
        }
        if (failure_.line == 0) {
            if (const int line = told_line(); line > 0) point_at_line(line);
        }
    }

    BuildFailure run() {
        const bool known = disk() || syntax() || base_image() || no_stage() || platform() ||
                           secret() || no_shell() || copy() || fetch() || exit_status();
        if (!known) {
            tell("build_failed", "the build failed: " + cut(strip(why_), kMaxReason), {});
        }
        return std::move(failure_);
    }

  private:
    void point_at(const Instruction* instruction) {
        if (instruction == nullptr) return;
        failure_.line = instruction->line;
        failure_.instruction = cut(printable(instruction->text), kMaxShown);
        instruction_ = instruction;
    }

    // "Dockerfile:12", which newer BuildKits print.
    int told_line() const {
        const std::string& whole = failure_.dockerfile;
        const std::string start = whole.substr(whole.rfind('/') + 1) + ":";
        int line = 0;
        for (const auto& remark : evidence_.progress.remarks()) {
            const auto at = remark.find(start);
            if (at == std::string::npos || has(remark, " ")) continue;
            if (const auto found = number_after(remark, start)) line = *found;
        }
        return line;
    }

    void point_at_line(int line) {
        for (const auto& i : evidence_.dockerfile.instructions) {
            if (i.line <= line && line <= i.last_line) point_at(&i);
        }
        failure_.line = line;
    }

    bool tell(std::string code, std::string message, std::string hint) {
        failure_.error.code = std::move(code);
        failure_.error.message = std::move(message);
        failure_.error.hint = std::move(hint);
        return true;
    }

    // "Dockerfile line 12: RUN npm ci", or the step's own name where the line is not known.
    std::string where() const {
        std::string text = failure_.dockerfile;
        if (failure_.line > 0) text += " line " + std::to_string(failure_.line);
        std::string what = failure_.instruction;
        if (what.empty() && step_ != nullptr) what = step_->name;
        return what.empty() ? text : text + ": " + cut(what, 120);
    }

    // Without the chain of "failed to …" that BuildKit puts before what matters.
    static std::string strip(std::string_view text) {
        bool again = true;
        while (again) {
            again = false;
            for (const std::string_view prefix :
                 {"ERROR: ", "failed to build: ", "failed to solve with frontend dockerfile.v0: ",
                  "failed to solve with frontend gateway.v0: ", "failed to solve: ",
                  "failed to create LLB definition: ", "failed to load cache key: ",
                  "failed to compute cache key: "}) {
                if (!text.starts_with(prefix)) continue;
                text.remove_prefix(prefix.size());
                again = true;
            }
        }
        return std::string(text);
    }

    bool anywhere(std::string_view words) const {
        return has(why_, words) || has(reason_, words) ||
               std::ranges::any_of(failure_.tail,
                                   [&](const auto& line) { return has(line, words); });
    }

    bool disk() {
        if (!anywhere("no space left on device")) return false;
        failure_.error.kind = ErrorKind::unavailable;
        failure_.error.next_steps = {"docker system df", "docker builder prune"};
        return tell("engine_disk_full", "the disk is full: " + where(),
                    "free some disk where the container engine keeps its data");
    }

    bool syntax() {
        constexpr std::string_view kParse = "dockerfile parse error";
        std::string_view text;
        for (const std::string_view candidate :
             {std::string_view(why_), std::string_view(reason_)}) {
            if (has(candidate, kParse)) text = candidate;
        }
        if (text.empty()) {
            for (const std::string_view words :
                 {"the Dockerfile cannot be empty", "the Dockerfile (Dockerfile) cannot be empty",
                  "file with no instructions", "no build stage in current context",
                  "failed to parse stage name", "circular dependency",
                  "invalid reference format"}) {
                if (!has(reason_, words)) continue;
                const bool no_from = has(words, "no build stage");
                return tell("dockerfile_invalid",
                            no_from
                                ? failure_.dockerfile + " has instructions and no FROM before them"
                                : failure_.dockerfile + ": " + cut(strip(reason_), kMaxReason),
                            no_from || has(words, "empty") || has(words, "no instructions")
                                ? "a Dockerfile starts with FROM"
                                : "");
            }
            return false;
        }
        const auto at = text.find(kParse);
        std::string_view rest = text.substr(at + kParse.size());
        int line = 0;
        for (const std::string_view words : {" on line ", " line "}) {
            if (const auto found = number_after(text, words); found && line == 0) line = *found;
        }
        if (const auto colon = rest.find(": "); colon != std::string_view::npos) {
            rest.remove_prefix(colon + 2);
        }
        if (line > 0) point_at_line(line);
        const int heredoc = evidence_.dockerfile.heredoc_line;
        std::string hint;
        if (has(rest, "unknown instruction") && heredoc > 0 && heredoc < line) {
            point_at_line(heredoc);
            hint = "this BuildKit does not know the here-document of line " +
                   std::to_string(heredoc) +
                   ": make `# syntax=docker/dockerfile:1` the first line, or upgrade Docker to 23";
        } else if (has(rest, "unknown instruction")) {
            hint = meant_instruction(rest);
        }
        return tell("dockerfile_invalid",
                    failure_.dockerfile + (line > 0 ? " line " + std::to_string(line) : "") + ": " +
                        cut(std::string(rest), kMaxReason),
                    hint);
    }

    // "unknown instruction: COPPY"
    static std::string meant_instruction(std::string_view words) {
        constexpr std::array<std::string_view, 18> kInstructions{
            "ADD",  "ARG",    "CMD",         "COPY",  "ENTRYPOINT", "ENV",
            "FROM", "EXPOSE", "HEALTHCHECK", "LABEL", "MAINTAINER", "ONBUILD",
            "RUN",  "SHELL",  "STOPSIGNAL",  "USER",  "VOLUME",     "WORKDIR"};
        const auto colon = words.rfind(": ");
        const auto word = colon == std::string_view::npos ? words : words.substr(colon + 2);
        const auto meant = spec::nearest(word, kInstructions);
        return meant.empty() ? "is a `\\` missing at the end of the line before?"
                             : "did you mean " + std::string(meant) + "?";
    }

    // "[internal] load metadata for docker.io/library/debian:12", "FROM docker.io/…",
    // "resolve image config for docker.io/docker/dockerfile:1" (the frontend of "# syntax=")
    bool base_image() {
        if (step_ == nullptr) return false;
        std::string image;
        bool frontend = false;
        const std::string_view name = step_->name;
        for (const std::string_view start :
             {"[internal] load metadata for ", "resolve image config for docker-image://",
              "resolve image config for ", "FROM ", "docker-image://"}) {
            if (!name.starts_with(start)) continue;
            image = name.substr(start.size());
            frontend = start.starts_with("resolve image config") || start == "docker-image://";
            break;
        }
        if (image.empty()) {
            const StepName parsed = parse_step_name(name);
            if (!parsed.text.starts_with("FROM ")) return false;
            image = parsed.text.substr(5);
        }
        image = image.substr(0, std::min(image.find(' '), image.find('@')));
        if (frontend && evidence_.dockerfile.syntax.empty()) frontend = false;
        if (frontend) {
            failure_.line = 1;
            failure_.instruction = "# syntax=" + evidence_.dockerfile.syntax;
        } else {
            point_at(locate_image(evidence_.dockerfile, image));
        }
        std::string hint;
        if (has(why_, "no such host") || has(why_, "i/o timeout") ||
            has(why_, "connection refused") || has(why_, "network is unreachable") ||
            has(why_, "TLS handshake timeout")) {
            hint =
                "the container engine cannot reach that registry: check its network and proxy, or "
                "load the image by hand (`docker load`)";
        } else if (has(why_, "toomanyrequests") || has(why_, "429")) {
            hint =
                "the registry limits how often you may ask: sign in with `docker login`, or wait";
        } else if (has(why_, "no match for platform")) {
            hint = "the image does not exist for " + (evidence_.request.platform.empty()
                                                          ? evidence_.machine
                                                          : evidence_.request.platform);
        } else if (has(why_, "insufficient_scope") || has(why_, "denied") ||
                   has(why_, "nauthorized") || has(why_, "failed to authorize")) {
            hint = "it does not exist, or needs `docker login` first: check the name";
        } else if (has(why_, "not found") || has(why_, "manifest unknown")) {
            hint = "check the image's name and tag";
        }
        if (instruction_ != nullptr && instruction_->keyword == "COPY") {
            hint = "no stage has that name, so it was taken for an image; " + hint;
        }
        return tell(
            "build_base_image",
            where() + ": the image " + image + " cannot be had: " + cut(strip(why_), kMaxReason),
            hint);
    }

    bool no_stage() {
        if (!has(reason_, "target stage") || evidence_.request.target.empty()) return false;
        std::string stages;
        for (const auto& stage : evidence_.dockerfile.stages) {
            if (stage.named) stages += (stages.empty() ? "" : ", ") + stage.name;
        }
        return tell("build_no_stage",
                    failure_.dockerfile + " has no stage \"" + evidence_.request.target + "\"",
                    stages.empty()
                        ? "name one with `FROM … AS " + evidence_.request.target +
                              "`, or leave build.target out"
                        : "correct [build] target in loco.toml; its stages are called " + stages);
    }

    bool platform() {
        if (!anywhere("exec format error")) return false;
        const std::string wanted = evidence_.request.platform;
        const bool cross = !wanted.empty() && wanted != evidence_.machine;
        failure_.error.next_steps =
            cross
                ? std::vector<
                      std::string>{"sudo apt-get install qemu-user-static binfmt-support",
                                   "or compile on `FROM --platform=$BUILDPLATFORM` and COPY "
                                   "the result into the last stage",
                                   "or leave build.platform out, if the server is " +
                                       evidence_.machine}
                : std::vector<std::string>{"check for which CPU the program or base image is made"};
        return tell(
            "build_wrong_platform",
            where() + " runs a program of another CPU" +
                (cross ? ": the build is for " + wanted + ", this machine is " + evidence_.machine
                       : ", this machine is " + evidence_.machine) +
                " (exec format error)",
            cross ? "running " + wanted + " programs here needs an emulator"
                  : "a program in the image is made for another CPU, or is no program at all");
    }

    bool secret() {
        constexpr std::string_view kSecret = "secret ";
        const auto at = why_.find(kSecret);
        if (at == std::string::npos || !has(why_, "not found")) return false;
        auto id = why_.substr(at + kSecret.size());
        id = cut(id.substr(0, id.find_first_of(" :")), 64);
        return tell(
            "build_secret_missing",
            where() + ": it mounts the secret \"" + id + "\", which loco.toml does not name",
            "name its file in loco.toml: [build] secrets = { " + id + " = \"FILE\" }");
    }

    bool no_shell() {
        if (!anywhere("exec: \"/bin/sh\"") || !anywhere("no such file or directory")) return false;
        failure_.exit_code = 127;
        return tell(
            "build_no_shell", where() + ": the image has no /bin/sh to run it",
            "write it as RUN [\"/program\", \"argument\"], or build in a stage whose base has "
            "a shell");
    }

    bool copy() {
        const bool is_copy = instruction_ != nullptr &&
                             (instruction_->keyword == "COPY" || instruction_->keyword == "ADD");
        if (!is_copy || has(instruction_->text, "://")) return false;
        if (!has(why_, "not found") && !has(why_, "no such file") &&
            !has(why_, "no source files") && !has(reason_, "no such file")) {
            return false;
        }
        std::string path = between_quotes(why_);
        if (path.starts_with('/')) path.erase(0, 1);
        std::vector<std::string> paths{path};
        if (path.empty()) paths = copy_sources(*instruction_);
        if (has(instruction_->text, "--from=")) {
            return tell("build_copy_missing",
                        where() + ": \"/" + paths.front() + "\" is not in the stage it copies from",
                        "look at what that stage makes, and where");
        }
        std::string hint;
        for (const auto& source : paths) {
            if (auto why = evidence_.context.why_left_out(source); why && hint.empty()) {
                hint = *std::move(why);
            }
        }
        const std::string what =
            paths.empty() ? std::string("a source") : "\"" + paths.front() + "\"";
        if (hint.empty() &&
            std::ranges::any_of(copy_sources(*instruction_),
                                [](const auto& source) { return source.starts_with(".."); })) {
            hint =
                "COPY takes nothing from outside of the build's folder: put it inside, or put "
                "loco.toml into the folder above both and name the Dockerfile with [build] "
                "dockerfile";
        }
        if (hint.empty()) {
            auto folder = evidence_.request.context.lexically_normal();
            if (!folder.has_filename()) folder = folder.parent_path();
            hint = what + " does not exist in " + folder.string() +
                   ", the folder that COPY takes files from ([build] context)";
        }
        return tell("build_copy_missing", where() + ": " + what + " is not in the build context",
                    hint);
    }

    bool fetch() {
        const bool url = step_ != nullptr && (step_->name.starts_with("http://") ||
                                              step_->name.starts_with("https://"));
        if (!url) return false;
        for (const auto& i : evidence_.dockerfile.instructions) {
            if (i.keyword == "ADD" && has(i.text, step_->name)) point_at(&i);
        }
        return tell("build_fetch", where() + ": " + cut(strip(why_), kMaxReason),
                    "can the container engine reach that address?");
    }

    bool exit_status() {
        auto code = number_after(why_, "exit code: ");
        if (!code) code = number_after(reason_, "exit code: ");
        if (!code) return false;
        failure_.exit_code = *code;
        std::string hint;
        switch (*code) {
            case 126: hint = "the command exists, but may not be executed (chmod +x)"; break;
            case 127:
                hint = "no such command in this stage: is its package installed, is it in PATH?";
                break;
            case 137:
                hint =
                    "it was killed, most likely for want of memory: give the machine more, or let "
                    "the build do less at once";
                break;
            case 139: hint = "it crashed (segmentation fault)"; break;
            default: hint = "its last lines say why; all of them: loco logs --build"; break;
        }
        return tell("build_step_failed", where() + " ended with exit code " + std::to_string(*code),
                    hint);
    }

    const Evidence& evidence_;
    const PlainProgress::Step* step_;
    const Instruction* instruction_ = nullptr;
    std::string reason_;  // of the whole build
    std::string why_;     // of the step, else of the whole
    BuildFailure failure_;
};

}  // namespace

BuildFailure diagnose(const Evidence& evidence) { return Diagnosis(evidence).run(); }

}  // namespace loco::build
