-- The same statements make the tables of SQLite and of PostgreSQL. Times are microseconds since 1970, in UTC.

-- +goose Up
CREATE TABLE incident (
    id TEXT PRIMARY KEY,
    at BIGINT NOT NULL,
    grp TEXT NOT NULL,
    status INTEGER NOT NULL,
    saved INTEGER NOT NULL,
    late INTEGER NOT NULL,
    route TEXT NOT NULL,
    endpoint TEXT NOT NULL,
    method TEXT NOT NULL,
    host TEXT NOT NULL,
    path TEXT NOT NULL,
    client TEXT NOT NULL,
    agent TEXT NOT NULL,
    version TEXT NOT NULL,
    request TEXT NOT NULL,
    trace TEXT NOT NULL,
    instance TEXT NOT NULL,
    reused INTEGER NOT NULL, -- -1 where there was no connection
    doc TEXT NOT NULL
);
CREATE INDEX incident_group ON incident (grp, at DESC);
CREATE INDEX incident_at ON incident (at DESC);
CREATE INDEX incident_request ON incident (request);
CREATE INDEX incident_trace ON incident (trace);

CREATE TABLE grp (
    id TEXT PRIMARY KEY,
    pool TEXT NOT NULL,
    cause TEXT NOT NULL,
    stage TEXT NOT NULL,
    family TEXT NOT NULL,
    type TEXT NOT NULL,
    title TEXT NOT NULL,
    first BIGINT NOT NULL,
    last BIGINT NOT NULL,
    n BIGINT NOT NULL,
    saved BIGINT NOT NULL,
    clients BYTEA NOT NULL,
    state TEXT NOT NULL,
    note TEXT NOT NULL,
    changed BIGINT NOT NULL,
    muted BIGINT NOT NULL,
    regressed BIGINT NOT NULL
);
CREATE INDEX grp_last ON grp (last DESC);

CREATE TABLE bucket (
    minute BIGINT NOT NULL,
    grp TEXT NOT NULL,
    endpoint TEXT NOT NULL,
    route TEXT NOT NULL,
    n BIGINT NOT NULL,
    saved BIGINT NOT NULL,
    PRIMARY KEY (grp, minute, endpoint, route)
);
CREATE INDEX bucket_minute ON bucket (minute);

-- The same by half an hour, for pictures of a day: without endpoint and route there are few of them.
CREATE TABLE halfhour (
    slot BIGINT NOT NULL,
    grp TEXT NOT NULL,
    n BIGINT NOT NULL,
    saved BIGINT NOT NULL,
    PRIMARY KEY (slot, grp)
);

CREATE TABLE change (
    id TEXT PRIMARY KEY,
    at BIGINT NOT NULL,
    instance TEXT NOT NULL,
    kind TEXT NOT NULL,
    subject TEXT NOT NULL,
    text TEXT NOT NULL
);
CREATE INDEX change_at ON change (at DESC);

-- The last batch of each process that was written whole: a batch that is sent again, since nobody knows whether it arrived, counts once.
CREATE TABLE writer (
    process TEXT PRIMARY KEY,
    seq BIGINT NOT NULL,
    at BIGINT NOT NULL
);

-- +goose Down
DROP TABLE writer;
DROP TABLE change;
DROP TABLE halfhour;
DROP TABLE bucket;
DROP TABLE grp;
DROP TABLE incident;
