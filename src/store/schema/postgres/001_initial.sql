-- The first schema, for PostgreSQL: that of ../001_initial.sql. Times are nanoseconds since the Unix epoch; columns named
-- *_json hold JSON; texts are compared byte by byte (COLLATE "C").
-- A migration is never edited after a release: its checksum is recorded in the databases that it was applied to.

CREATE TABLE users (
    id         TEXT COLLATE "C" PRIMARY KEY,
    provider   TEXT COLLATE "C" NOT NULL,
    subject    TEXT COLLATE "C" NOT NULL,
    login      TEXT COLLATE "C" NOT NULL,
    email      TEXT COLLATE "C" NOT NULL,
    created_at BIGINT NOT NULL,
    UNIQUE (provider, subject)
);

CREATE TABLE teams (
    id         TEXT COLLATE "C" PRIMARY KEY,
    slug       TEXT COLLATE "C" NOT NULL UNIQUE,
    number     BIGINT NOT NULL UNIQUE CHECK (number >= 0),
    created_at BIGINT NOT NULL
);

CREATE TABLE memberships (
    team TEXT COLLATE "C" NOT NULL REFERENCES teams (id),
    "user" TEXT COLLATE "C" NOT NULL REFERENCES users (id),
    role TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (team, "user")
);
CREATE INDEX memberships_user ON memberships ("user");

CREATE TABLE tokens (
    id           TEXT COLLATE "C" PRIMARY KEY,
    "user"         TEXT COLLATE "C" NOT NULL REFERENCES users (id),
    name         TEXT COLLATE "C" NOT NULL,
    sha256       TEXT COLLATE "C" NOT NULL UNIQUE,
    scopes_json  TEXT COLLATE "C" NOT NULL,
    team         TEXT COLLATE "C" REFERENCES teams (id),
    created_at   BIGINT NOT NULL,
    expires_at   BIGINT,
    last_used_at BIGINT,
    revoked      BOOLEAN NOT NULL
);
CREATE INDEX tokens_user ON tokens ("user", id);

CREATE TABLE apps (
    id               TEXT COLLATE "C" PRIMARY KEY,
    team             TEXT COLLATE "C" NOT NULL REFERENCES teams (id),
    name             TEXT COLLATE "C" NOT NULL,
    created_at       BIGINT NOT NULL,
    next_release     BIGINT NOT NULL,
    env_version      BIGINT NOT NULL,
    live_release     TEXT COLLATE "C",
    live_set         TEXT COLLATE "C",
    previous_set     TEXT COLLATE "C",
    previous_release TEXT COLLATE "C",
    lock             TEXT COLLATE "C",
    scale_json       TEXT COLLATE "C" NOT NULL,
    destroying       BOOLEAN NOT NULL,
    UNIQUE (team, name)
);

-- The values are sealed (crypto/seal.hpp); the key is not in the database.
CREATE TABLE env_versions (
    app         TEXT COLLATE "C" NOT NULL REFERENCES apps (id) ON DELETE CASCADE,
    version     BIGINT NOT NULL,
    sealed_json TEXT COLLATE "C" NOT NULL,
    created_at  BIGINT NOT NULL,
    PRIMARY KEY (app, version)
);

CREATE TABLE deployments (
    id                  TEXT COLLATE "C" PRIMARY KEY,
    app                 TEXT COLLATE "C" NOT NULL REFERENCES apps (id) ON DELETE CASCADE,
    team                TEXT COLLATE "C" NOT NULL,
    kind                TEXT COLLATE "C" NOT NULL,
    state               TEXT COLLATE "C" NOT NULL,
    actor               TEXT COLLATE "C" NOT NULL,
    created_at          BIGINT NOT NULL,
    ended_at            BIGINT,
    lease_until         BIGINT NOT NULL,
    deadline            BIGINT NOT NULL,
    phases_json         TEXT COLLATE "C" NOT NULL,
    spec_json           TEXT COLLATE "C" NOT NULL,
    repository          TEXT COLLATE "C" NOT NULL,
    tag                 TEXT COLLATE "C" NOT NULL,
    digest              TEXT COLLATE "C" NOT NULL,
    image_id            TEXT COLLATE "C" NOT NULL,
    env_version         BIGINT NOT NULL,
    release             TEXT COLLATE "C",
    instance_set        TEXT COLLATE "C",
    rollback_to         BIGINT,
    previous_scale_json TEXT COLLATE "C" NOT NULL,
    cancel_requested    BOOLEAN NOT NULL,
    push_token_given    BOOLEAN NOT NULL,
    diagnosis_json      TEXT COLLATE "C"
);
CREATE INDEX deployments_app ON deployments (app, id);
CREATE INDEX deployments_open ON deployments (app, id)
    WHERE state IN ('building', 'checking', 'releasing', 'rolling');

CREATE TABLE releases (
    id          TEXT COLLATE "C" PRIMARY KEY,
    app         TEXT COLLATE "C" NOT NULL REFERENCES apps (id) ON DELETE CASCADE,
    number      BIGINT NOT NULL,
    repository  TEXT COLLATE "C" NOT NULL,
    digest      TEXT COLLATE "C" NOT NULL,
    image_id    TEXT COLLATE "C" NOT NULL,
    spec_json   TEXT COLLATE "C" NOT NULL,
    env_version BIGINT NOT NULL,
    uid         BIGINT NOT NULL,
    gid         BIGINT NOT NULL,
    deployment  TEXT COLLATE "C" NOT NULL,
    actor       TEXT COLLATE "C" NOT NULL,
    created_at  BIGINT NOT NULL,
    live_at     BIGINT,
    image_kept  BOOLEAN NOT NULL,
    UNIQUE (app, number)
);

CREATE TABLE instances (
    id             TEXT COLLATE "C" PRIMARY KEY,
    app            TEXT COLLATE "C" NOT NULL REFERENCES apps (id),
    team           TEXT COLLATE "C" NOT NULL,
    release        TEXT COLLATE "C" NOT NULL,
    instance_set   TEXT COLLATE "C" NOT NULL,
    process        TEXT COLLATE "C" NOT NULL,
    number         BIGINT NOT NULL,
    one_shot       BOOLEAN NOT NULL,
    state          TEXT COLLATE "C" NOT NULL,
    host           TEXT COLLATE "C" NOT NULL,
    address        TEXT COLLATE "C" NOT NULL,
    cpu_millis     BIGINT NOT NULL,
    cpu_max_millis BIGINT NOT NULL,
    memory_bytes   BIGINT NOT NULL,
    attempt        BIGINT NOT NULL,
    restarts       BIGINT NOT NULL,
    created_at     BIGINT NOT NULL,
    state_since    BIGINT NOT NULL,
    restart_at     BIGINT,
    deadline       BIGINT,
    exit_code      BIGINT,
    oom_killed     BOOLEAN NOT NULL,
    last_problem   TEXT COLLATE "C" NOT NULL
);
CREATE INDEX instances_app ON instances (app, id);
CREATE UNIQUE INDEX instances_address ON instances (team, address) WHERE address <> '';

CREATE TABLE hosts (
    name           TEXT COLLATE "C" PRIMARY KEY,
    team           TEXT COLLATE "C" NOT NULL REFERENCES teams (id),
    app            TEXT COLLATE "C" REFERENCES apps (id),
    is_primary     BOOLEAN NOT NULL,
    reserved_until BIGINT
);
CREATE INDEX hosts_app ON hosts (app) WHERE app IS NOT NULL;

CREATE TABLE idempotency_keys (
    key         TEXT COLLATE "C" PRIMARY KEY,
    fingerprint TEXT COLLATE "C" NOT NULL,
    status      BIGINT NOT NULL,
    body        TEXT COLLATE "C" NOT NULL,
    created_at  BIGINT NOT NULL
);
CREATE INDEX idempotency_keys_created_at ON idempotency_keys (created_at);

-- Append-only. They outlive what they tell of, so they refer to it without foreign keys.
CREATE TABLE events (
    seq        BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
    team       TEXT COLLATE "C" NOT NULL,
    app        TEXT COLLATE "C",
    deployment TEXT COLLATE "C",
    actor      TEXT COLLATE "C" NOT NULL,
    kind       TEXT COLLATE "C" NOT NULL,
    message    TEXT COLLATE "C" NOT NULL,
    data       TEXT COLLATE "C" NOT NULL,
    at         BIGINT NOT NULL
);
CREATE INDEX events_team ON events (team, seq);
CREATE INDEX events_app ON events (app, seq) WHERE app IS NOT NULL;
CREATE INDEX events_deployment ON events (deployment, seq) WHERE deployment IS NOT NULL;
