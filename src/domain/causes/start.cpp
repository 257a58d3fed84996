// Causes of a container that could not be started, or whose program could not.
#include "domain/causes.hpp"
#include "domain/last_lines.hpp"

namespace loco {
namespace {

std::string quoted(const std::string& text) { return "\"" + text + "\""; }

// Where the command is said that it runs.
std::string command_key(const Facts& facts) {
    if (facts.moment == Moment::releasing) return "release_command under [deploy] in loco.toml";
    if (!facts.main) return "command under [process." + facts.process + "] in loco.toml";
    return "CMD and ENTRYPOINT in the Dockerfile, or command under [deploy] in loco.toml";
}

// --- a program that could not be run

Cause not_found(const Facts& facts, const std::string& path) {
    const bool bare = path.find('/') == std::string::npos;
    const auto program = path.empty() ? std::string("its program") : quoted(path);
    return {
        .code = "command_not_found",
        .why = program + (bare && !path.empty() ? " is in none of the folders of the image's PATH"
                                                : " is not in the image"),
        .next_steps = {"check " + command_key(facts),
                       "check that the Dockerfile copies it there, and that it is in the last "
                       "stage"},
        .could_not_start = true};
}

Cause not_executable(const std::string& path) {
    const auto file = path.empty() ? std::string("FILE") : path;
    return {.code = "command_not_executable",
            .why = quoted(file) + " may not be executed by the user that it runs as",
            .next_steps = {"make it executable in the Dockerfile: COPY --chmod=755 …, or RUN chmod "
                           "755 " +
                           file},
            .could_not_start = true};
}

Cause is_folder(const Facts& facts, const std::string& path) {
    return {.code = "command_not_executable",
            .why = quoted(path) + " is a folder, not a program",
            .next_steps = {"check " + command_key(facts)},
            .could_not_start = true};
}

Cause windows_lines(const std::string& path, const std::string& interpreter) {
    return {.code = "script_line_ends",
            .why = quoted(path) +
                   " has the line ends of Windows, so that its first line asks for " +
                   quoted(interpreter + "\\r") + ", which does not exist",
            .next_steps = {"save it with line ends of Unix; in git: *.sh text eol=lf in "
                           ".gitattributes",
                           "or convert it in the Dockerfile: RUN sed -i 's/\\r$//' " + path},
            .could_not_start = true};
}

Cause no_interpreter(const std::string& path, const std::string& interpreter) {
    return {.code = "interpreter_missing",
            .why = quoted(path) + " is a script for " + quoted(interpreter) +
                   ", which is not in the image",
            .next_steps = {"name one in its first line that the image has (#!/bin/sh, where it has "
                           "a shell), or take a base image that has " +
                           interpreter},
            .could_not_start = true};
}

Cause no_first_line(const std::string& path) {
    return {.code = "script_no_interpreter",
            .why = quoted(path) +
                   " is no program that this machine can run: it is neither a "
                   "binary nor a script with a \"#!\" line",
            .next_steps = {"begin it with #!/bin/sh (or what it is written for); nothing may stand "
                           "before that",
                           "or name what runs it: CMD [\"/bin/sh\", " + quoted(path) + "]"},
            .could_not_start = true};
}

Cause no_loader(const std::string& path, const std::string& loader) {
    const bool musl = loader.find("musl") != std::string::npos;
    return {.code = "loader_missing",
            .why = quoted(path) + " is linked dynamically and needs " + quoted(loader) +
                   ", which is not in the image",
            .next_steps = {"build it static: CGO_ENABLED=0 for Go, a musl target for Rust, -static "
                           "for C and C++",
                           std::string("or take a base image with that library: ") +
                               (musl ? "alpine"
                                     : "debian:stable-slim, or "
                                       "gcr.io/distroless/cc")},
            .could_not_start = true};
}

Cause wrong_machine(const std::string& path, const std::string& machine,
                    const std::string& runs_on) {
    return {.code = "wrong_architecture",
            .why = quoted(path) + " is a program for another processor" +
                   (machine.empty() ? std::string()
                                    : " (" + machine + "; this is " +
                                          (runs_on.empty() ? "another" : runs_on) + ")"),
            .next_steps = {"build it for this machine" +
                               (runs_on.empty() ? std::string() : ": linux/" + runs_on) +
                               " (GOARCH, --target, --platform), or inside the Dockerfile",
                           "a binary that is copied into the image must be of the image's "
                           "platform"},
            .could_not_start = true};
}

// By looking at the file.
std::optional<Cause> program_cause(const Facts& facts, const ProgramFacts& program) {
    using enum ProgramFacts::File;
    const auto& path = program.path;
    if (program.file == missing) return not_found(facts, path);
    if (program.file == ProgramFacts::File::folder) return is_folder(facts, path);
    if (!program.executable) return not_executable(path);
    if (program.file == script) {
        auto interpreter = program.interpreter;
        if (interpreter.ends_with('\r')) {
            interpreter.pop_back();
            return windows_lines(path, interpreter);
        }
        if (program.interpreter_missing) return no_interpreter(path, interpreter);
    }
    if (program.file == binary) {
        if (!program.machine.empty() && !program.runs_on.empty() &&
            program.machine != program.runs_on)
            return wrong_machine(path, program.machine, program.runs_on);
        if (program.interpreter_missing) return no_loader(path, program.interpreter);
    }
    if (program.file == other) return no_first_line(path);
    return std::nullopt;
}

// By the words of who tried to run it; `after_look`: it had found the file.
Cause words_cause(const Facts& facts, const ExecFailure& failure, bool after_look) {
    switch (failure.why) {
        case ExecFailure::Why::not_allowed:
            if (failure.path.ends_with('/')) return is_folder(facts, failure.path);
            return not_executable(failure.path);
        case ExecFailure::Why::folder: return is_folder(facts, failure.path);
        case ExecFailure::Why::format: {
            auto cause = no_first_line(failure.path);
            cause.code = "exec_format";
            cause.why = quoted(failure.path) +
                        " is no program that this machine can run: a script without a \"#!\" "
                        "line, or a binary for another processor";
            return cause;
        }
        default: break;
    }
    if (!after_look) return not_found(facts, failure.path);
    return {.code = "interpreter_missing",
            .why = quoted(failure.path) +
                   " is in the image, but what it needs to run is not: the interpreter in its "
                   "first line, or a binary's loader",
            .next_steps = {"a script: is what its \"#!\" line names in the image, and are its line "
                           "ends those of Unix",
                           "a binary: build it static (CGO_ENABLED=0, -static), or take a base "
                           "image with its libraries"},
            .could_not_start = true};
}

std::string last_line(std::string_view text) {
    while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) text.remove_suffix(1);
    return std::string(text.substr(text.rfind('\n') + 1));
}

// "env: 'python3\r': No such file or directory": of a script whose first line is #!/usr/bin/env python3
std::optional<Cause> env_cause(const Facts& facts) {
    const auto line = last_line(facts.tail.substr(0, facts.tail.find("\nenv: use -")));
    const auto at = line.find("env: ");
    if (facts.end.exit_code != 127 || at == std::string::npos ||
        line.find("No such file or directory") == std::string::npos)
        return std::nullopt;
    auto name = line.substr(at + 5, line.find(": No such file") - at - 5);
    for (const std::string_view quote : {"'", "\"", "\u2018", "\u2019"}) {
        for (auto found = name.find(quote); found != std::string::npos; found = name.find(quote))
            name.erase(found, quote.size());
    }
    const auto path =
        facts.container.program ? facts.container.program->path : std::string("its program");
    const bool windows = name.ends_with("\\r") || name.ends_with("\r");
    while (name.ends_with('\r')) name.pop_back();
    if (name.ends_with("\\r")) name.resize(name.size() - 2);
    if (name.empty()) return std::nullopt;
    return windows ? windows_lines(path, name) : no_interpreter(path, name);
}

}  // namespace

std::optional<Cause> start_cause(const Facts& facts) {
    const auto& end = facts.end;
    const int code = end.exit_code.value_or(0);
    const bool ended_so = facts.ended && !end.oom_killed &&
                          (code == 1 || code == 2 || (code >= 126 && code <= 128) || code == 255);
    const bool refused = !end.runtime_error.empty();
    if (!refused && !ended_so) return std::nullopt;
    auto failure = exec_failure_in(end.runtime_error);
    const bool by_itself = !failure && ended_so;
    if (by_itself) failure = exec_failure_in(last_line(facts.tail));
    if (facts.container.program) {
        const auto& program = *facts.container.program;
        auto cause = program_cause(facts, program);
        // A shell that is given a binary of another machine reads it as a script.
        const bool misread = program.file == ProgramFacts::File::binary && cause &&
                             (facts.tail.find("ELF") != std::string::npos ||
                              facts.tail.find("yntax error") != std::string::npos);
        if (cause && (failure || refused || code == 126 || code == 127 || misread)) return cause;
    }
    if (failure) return words_cause(facts, *failure, by_itself && !failure->by_init);
    if (const auto library = ended_so ? missing_library_in(facts.tail) : std::nullopt) {
        const bool c_library = library->starts_with("GLIBC");
        return Cause{
            .code = "library_missing",
            .why = c_library
                       ? "it needs a newer C library (" + *library + ") than the image has"
                       : "it needs the shared library " + *library + ", which is not in the image",
            .next_steps = {"install it in the last stage of the Dockerfile",
                           "or build the program static, or on the base image that it "
                           "runs on"},
            .could_not_start = true};
    }
    if (auto cause = env_cause(facts)) return cause;
    if (!refused) return std::nullopt;
    Cause out{.code = "cannot_start",
              .why = end.runtime_error,
              .next_steps = {"see that the machine and its container engine are well, then: loco "
                             "redeploy"},
              .could_not_start = true};
    if (facts.ended) out.next_steps.insert(out.next_steps.begin(), "check " + command_key(facts));
    return out;
}

}  // namespace loco
