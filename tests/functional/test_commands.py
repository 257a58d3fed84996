"""The command line apart from what the end-to-end tests drive: help, usage, output of every command."""
import json
import re
import subprocess

import pytest


def commands(loco) -> list[str]:
    """The names of all commands, from the help itself."""
    text = loco.run("--help").out
    return [match[1] for match in re.finditer(r"^  ([a-z]+(?: [a-z]+)?)  ", text, re.MULTILINE)]


def test_every_command_has_help_with_an_example(loco):
    names = commands(loco)
    assert {"up", "down", "deploy", "rollback", "env set", "completion"} <= set(names), names
    for name in names:
        done = loco.run(*name.split(), "--help")
        assert f"loco {name}" in done.out, name


def test_unknown_options_and_missing_arguments_are_usage_errors(loco):
    for words in (["deploy", "--no-such"], ["env", "set"], ["completion", "tcsh"], ["scale", "--replicas", "many"], ["nonsense"]):
        done = loco.run(*words, expect=2)
        assert done.err.strip() and not done.out.strip(), str(done)


def test_the_whole_life_of_an_app_by_commands(loco, app):
    folder = app("lifely")
    loco.run("validate", "-c", folder.path / "loco.toml")
    loco.run("create", "lifely")
    loco.run("env", "set", "KEY=one", "-a", "lifely")
    loco.run("deploy", folder.path)
    for words in (["redeploy"], ["restart"], ["scale", "--replicas", "2"], ["rollback"], ["env", "unset", "KEY"]):
        loco.run(*words, "-a", "lifely")
    (folder.path / "vars").write_text("A=1\n")
    loco.run("env", "import", folder.path / "vars", "-a", "lifely")
    for words in (["status"], ["releases"], ["events"], ["env", "list"], ["open"]):
        assert loco.run(*words, "-a", "lifely").out.strip(), words
        assert isinstance(loco.run(*words, "-a", "lifely", "--json").json(), dict)
    loco.run("logs", "-a", "lifely")
    assert "lifely" in loco.run("apps").out
    assert loco.run("whoami").out.strip()
    loco.run("docs")
    loco.run("destroy", "lifely", "--yes")


def test_init_writes_what_validate_accepts(loco, app):
    folder = app("scaffold")
    (folder.path / "loco.toml").unlink()
    loco.run("init", cwd=folder.path)
    loco.run("validate", cwd=folder.path)


@pytest.mark.parametrize("words", [["apps"], ["status", "-a", "nothing"], ["validate"]])
def test_nothing_is_coloured_and_nothing_asked_without_a_terminal(loco, words):
    done = loco.run(*words, expect=None)
    assert "\x1b" not in done.out + done.err


def test_quiet_keeps_results_and_drops_progress(loco, app):
    folder = app("hush")
    done = loco.run("--quiet", "deploy", folder.path)
    assert done.out.strip() == f"http://hush.localhost:{loco.gateway}" and not done.err.strip()


def test_version_is_one_line(loco):
    assert re.fullmatch(r"loco \d+\.\d+\.\d+\S*\n", loco.run("--version").out)
    assert json.loads(loco.run("--version", "--json").out)["version"]


def test_completion_knows_commands_and_the_names_of_apps(loco, app):
    loco.deploy(app("completed"))
    for shell in ("bash", "zsh", "fish"):
        assert loco.run("completion", shell).out.strip()
    script = loco.run("completion", "bash").out
    ask = f'{script}\nPATH={loco.binaries}:$PATH\nCOMP_WORDS=(loco status -a comp); COMP_CWORD=3; COMP_LINE="loco status -a comp"; COMP_POINT=19\n' \
          'f=$(complete -p loco | sed "s/.*-F \\([^ ]*\\).*/\\1/"); $f loco comp -a; printf "%s\\n" "${COMPREPLY[@]}"'
    done = subprocess.run(["bash", "-c", ask], env=loco.environment, capture_output=True, text=True, timeout=20)
    assert "completed" in done.stdout, done.stderr


def test_the_debug_log_holds_no_secret(loco, app):
    loco.run("create", "logged")
    loco.run("env", "set", "KEY", "-a", "logged", stdin="canary-of-the-debug-log\n")
    log = loco.folder / "state/loco/loco.log"
    assert log.exists()
    text = log.read_text()
    assert "canary-of-the-debug-log" not in text and loco.token() not in text
    loco.run("destroy", "logged", "--yes")
