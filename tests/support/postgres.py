"""A PostgreSQL of the tests' own: Debian's, as an unprivileged user, on a Unix socket in a folder that goes with it."""
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

from support.wait import until


class Postgres:
    PASSWORD = "pw-of-the-functional-tests-5c1d"

    def __init__(self):
        versions = sorted((int(folder.parent.name), folder) for folder in Path("/usr/lib/postgresql").glob("[0-9]*/bin"))
        assert versions, "no PostgreSQL in /usr/lib/postgresql: apt-get install postgresql"
        self.programs = versions[-1][1]
        self.folder = Path(tempfile.mkdtemp(prefix="loco-pg-", dir="/tmp"))
        self.process: subprocess.Popen | None = None
        self.databases = 0
        self.user = pwd.getpwnam("postgres") if os.geteuid() == 0 else None
        if self.user:
            os.chown(self.folder, self.user.pw_uid, self.user.pw_gid)
        (self.folder / "password").write_text(self.PASSWORD + "\n")
        subprocess.run(self._own("initdb", "-D", self.folder / "data", "-U", "loco", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync",
                                 "--auth=scram-sha-256", f"--pwfile={self.folder / 'password'}"), check=True, capture_output=True)

    def _own(self, program: str, *words) -> list[str]:
        drop = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", "--pdeathsig=QUIT"] if self.user else []
        return [*drop, str(self.programs / program), *map(str, words)]

    def start(self, durable: bool = False) -> "Postgres":
        """durable: with fsync, as it is run for real."""
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(self._own("postgres", "-D", self.folder / "data", "-k", self.folder, "-c", "listen_addresses=",
                                                       *([] if durable else ["-F"])),
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        until(lambda: subprocess.run([self.programs / "pg_isready", "-q", "-h", self.folder]).returncode == 0, 30, "PostgreSQL answers", every=0.05)
        return self

    def stop(self, number: int = signal.SIGINT) -> None:
        process, self.process = self.process, None
        if process is not None:
            process.send_signal(number)
            process.wait(20)

    def remove(self) -> None:
        self.stop(signal.SIGQUIT)
        shutil.rmtree(self.folder, ignore_errors=True)

    def sql(self, database: str, statement: str) -> list[list[str]]:
        done = subprocess.run([self.programs / "psql", "-h", self.folder, "-U", "loco", "-d", database, "-XAtq", "-v", "ON_ERROR_STOP=1", "-c", statement],
                              env=os.environ | {"PGPASSWORD": self.PASSWORD}, capture_output=True, text=True, timeout=30)
        assert done.returncode == 0, done.stderr
        return [line.split("|") for line in done.stdout.splitlines()]

    def new_database(self) -> str:
        self.databases += 1
        name = f"loco_{self.databases}"
        self.sql("postgres", f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8'")
        return name

    def target(self, database: str, password: bool = True) -> str:
        return f"postgres:host={self.folder} user=loco dbname={database}" + (f" password={self.PASSWORD}" if password else "")

    def store(self, database: str) -> str:
        """As the configuration names it: by a file, as it has a password."""
        file = self.folder / f"{database}.target"
        file.write_text(self.target(database) + "\n")
        file.chmod(0o600)
        return f"file:{file}"
