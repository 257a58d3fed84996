-- The first schema. Times are nanoseconds since the Unix epoch; booleans 0 or 1; columns named *_json hold JSON.
-- A migration is never edited after a release: its checksum is recorded in the databases that it was applied to.

CREATE TABLE users (
    id         TEXT PRIMARY KEY,
    provider   TEXT NOT NULL,
    subject    TEXT NOT NULL,
    login      TEXT NOT NULL,
    email      TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    UNIQUE (provider, subject)
) STRICT;

CREATE TABLE teams (
    id         TEXT PRIMARY KEY,
    slug       TEXT NOT NULL UNIQUE,
    number     INTEGER NOT NULL UNIQUE CHECK (number >= 0),
    created_at INTEGER NOT NULL
) STRICT;

CREATE TABLE memberships (
    team TEXT NOT NULL REFERENCES teams (id),
    user TEXT NOT NULL REFERENCES users (id),
    role TEXT NOT NULL,
    PRIMARY KEY (team, user)
) STRICT, WITHOUT ROWID;
CREATE INDEX memberships_user ON memberships (user);

CREATE TABLE tokens (
    id           TEXT PRIMARY KEY,
    user         TEXT NOT NULL REFERENCES users (id),
    name         TEXT NOT NULL,
    sha256       TEXT NOT NULL UNIQUE,
    scopes_json  TEXT NOT NULL,
    team         TEXT REFERENCES teams (id),
    created_at   INTEGER NOT NULL,
    expires_at   INTEGER,
    last_used_at INTEGER,
    revoked      INTEGER NOT NULL
) STRICT;
CREATE INDEX tokens_user ON tokens (user, id);

CREATE TABLE apps (
    id               TEXT PRIMARY KEY,
    team             TEXT NOT NULL REFERENCES teams (id),
    name             TEXT NOT NULL,
    created_at       INTEGER NOT NULL,
    next_release     INTEGER NOT NULL,
    env_version      INTEGER NOT NULL,
    live_release     TEXT,
    live_set         TEXT,
    previous_set     TEXT,
    previous_release TEXT,
    lock             TEXT,
    scale_json       TEXT NOT NULL,
    destroying       INTEGER NOT NULL,
    UNIQUE (team, name)
) STRICT;

-- The values are sealed (crypto/seal.hpp); the key is not in the database.
CREATE TABLE env_versions (
    app         TEXT NOT NULL REFERENCES apps (id) ON DELETE CASCADE,
    version     INTEGER NOT NULL,
    sealed_json TEXT NOT NULL,
    created_at  INTEGER NOT NULL,
    PRIMARY KEY (app, version)
) STRICT;

CREATE TABLE deployments (
    id                  TEXT PRIMARY KEY,
    app                 TEXT NOT NULL REFERENCES apps (id) ON DELETE CASCADE,
    team                TEXT NOT NULL,
    kind                TEXT NOT NULL,
    state               TEXT NOT NULL,
    actor               TEXT NOT NULL,
    created_at          INTEGER NOT NULL,
    ended_at            INTEGER,
    lease_until         INTEGER NOT NULL,
    deadline            INTEGER NOT NULL,
    phases_json         TEXT NOT NULL,
    spec_json           TEXT NOT NULL,
    repository          TEXT NOT NULL,
    tag                 TEXT NOT NULL,
    digest              TEXT NOT NULL,
    image_id            TEXT NOT NULL,
    env_version         INTEGER NOT NULL,
    release             TEXT,
    instance_set        TEXT,
    rollback_to         INTEGER,
    previous_scale_json TEXT NOT NULL,
    cancel_requested    INTEGER NOT NULL,
    push_token_given    INTEGER NOT NULL,
    diagnosis_json      TEXT
) STRICT;
CREATE INDEX deployments_app ON deployments (app, id);
CREATE INDEX deployments_open ON deployments (app, id)
    WHERE state IN ('building', 'checking', 'releasing', 'rolling');

CREATE TABLE releases (
    id          TEXT PRIMARY KEY,
    app         TEXT NOT NULL REFERENCES apps (id) ON DELETE CASCADE,
    number      INTEGER NOT NULL,
    repository  TEXT NOT NULL,
    digest      TEXT NOT NULL,
    image_id    TEXT NOT NULL,
    spec_json   TEXT NOT NULL,
    env_version INTEGER NOT NULL,
    uid         INTEGER NOT NULL,
    gid         INTEGER NOT NULL,
    deployment  TEXT NOT NULL,
    actor       TEXT NOT NULL,
    created_at  INTEGER NOT NULL,
    live_at     INTEGER,
    image_kept  INTEGER NOT NULL,
    UNIQUE (app, number)
) STRICT;

CREATE TABLE instances (
    id             TEXT PRIMARY KEY,
    app            TEXT NOT NULL REFERENCES apps (id),
    team           TEXT NOT NULL,
    release        TEXT NOT NULL,
    instance_set   TEXT NOT NULL,
    process        TEXT NOT NULL,
    number         INTEGER NOT NULL,
    one_shot       INTEGER NOT NULL,
    state          TEXT NOT NULL,
    host           TEXT NOT NULL,
    address        TEXT NOT NULL,
    cpu_millis     INTEGER NOT NULL,
    cpu_max_millis INTEGER NOT NULL,
    memory_bytes   INTEGER NOT NULL,
    attempt        INTEGER NOT NULL,
    restarts       INTEGER NOT NULL,
    created_at     INTEGER NOT NULL,
    state_since    INTEGER NOT NULL,
    restart_at     INTEGER,
    deadline       INTEGER,
    exit_code      INTEGER,
    oom_killed     INTEGER NOT NULL,
    last_problem   TEXT NOT NULL
) STRICT;
CREATE INDEX instances_app ON instances (app, id);
CREATE UNIQUE INDEX instances_address ON instances (team, address) WHERE address <> '';

CREATE TABLE hosts (
    name           TEXT PRIMARY KEY,
    team           TEXT NOT NULL REFERENCES teams (id),
    app            TEXT REFERENCES apps (id),
    is_primary     INTEGER NOT NULL,
    reserved_until INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX hosts_app ON hosts (app) WHERE app IS NOT NULL;

CREATE TABLE idempotency_keys (
    key         TEXT PRIMARY KEY,
    fingerprint TEXT NOT NULL,
    status      INTEGER NOT NULL,
    body        TEXT NOT NULL,
    created_at  INTEGER NOT NULL
) STRICT;
CREATE INDEX idempotency_keys_created_at ON idempotency_keys (created_at);

-- Append-only. They outlive what they tell of, so they refer to it without foreign keys.
CREATE TABLE events (
    seq        INTEGER PRIMARY KEY AUTOINCREMENT,
    team       TEXT NOT NULL,
    app        TEXT,
    deployment TEXT,
    actor      TEXT NOT NULL,
    kind       TEXT NOT NULL,
    message    TEXT NOT NULL,
    data       TEXT NOT NULL,
    at         INTEGER NOT NULL
) STRICT;
CREATE INDEX events_team ON events (team);
CREATE INDEX events_app ON events (app) WHERE app IS NOT NULL;
CREATE INDEX events_deployment ON events (deployment) WHERE deployment IS NOT NULL;
