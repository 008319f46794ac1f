-- The tables that are made from the log. Each row carries its offset: door, seq (the entry), pos (the place in it).
-- Times are UTC since 1970: _us microseconds, _ms milliseconds. No table and no query asks the clock.
-- {engine} is empty, or Replicated on a cluster; {on_cluster} is empty, or ON CLUSTER name.

-- One row a copy of an event, as the log holds it (truecount/copies.py has each field's meaning). It is sorted by what
-- dedup groups by, so that an action is read in one piece. Digests cannot be compressed; all else nearly vanishes.
CREATE TABLE IF NOT EXISTS copies {on_cluster} (
    dataset             LowCardinality(String),
    source              LowCardinality(String),
    received_us         Int64                          CODEC(Delta, ZSTD(1)),
    event_time_ms       Int64                          CODEC(Delta, ZSTD(1)),
    event_name          LowCardinality(String),
    event_id            String                         CODEC(ZSTD(3)),
    action_source       LowCardinality(String),
    url                 String                         CODEC(ZSTD(3)),
    referrer            String                         CODEC(ZSTD(3)),
    value_e4            Nullable(Int64)                CODEC(ZSTD(1)),
    currency            LowCardinality(String),
    order_id            String                         CODEC(ZSTD(3)),
    item_number         String                         CODEC(ZSTD(3)),
    fbp                 String                         CODEC(ZSTD(3)),
    fbc                 String                         CODEC(ZSTD(3)),
    em                  Array(FixedString(32))         CODEC(ZSTD(1)),
    ph                  Array(FixedString(32))         CODEC(ZSTD(1)),
    fn                  Array(FixedString(32))         CODEC(ZSTD(1)),
    ln                  Array(FixedString(32))         CODEC(ZSTD(1)),
    db                  Array(FixedString(32))         CODEC(ZSTD(1)),
    ge                  Array(FixedString(32))         CODEC(ZSTD(1)),
    ct                  Array(FixedString(32))         CODEC(ZSTD(1)),
    st                  Array(FixedString(32))         CODEC(ZSTD(1)),
    zp                  Array(FixedString(32))         CODEC(ZSTD(1)),
    country             Array(FixedString(32))         CODEC(ZSTD(1)),
    external_id         Array(FixedString(32))         CODEC(ZSTD(1)),
    other_keys          Map(LowCardinality(String), String) CODEC(ZSTD(1)),
    custom_data         String                         CODEC(ZSTD(3)),
    extra               String                         CODEC(ZSTD(3)),
    marks               UInt32                         CODEC(T64, ZSTD(1)),
    test_event_code     LowCardinality(String),
    agent               LowCardinality(String),
    browser             LowCardinality(String),
    visitor             LowCardinality(String),
    campaign            String                         CODEC(ZSTD(3)),
    campaign_source     LowCardinality(String),
    address             String                         CODEC(ZSTD(3)),
    weak                Int64                          CODEC(ZSTD(1)),
    original_event_name LowCardinality(String),
    original_event_id   String                         CODEC(ZSTD(3)),
    original_order_id   String                         CODEC(ZSTD(3)),
    original_time_ms    Int64                          CODEC(ZSTD(1)),
    consent             LowCardinality(String),
    removed             Array(LowCardinality(String))  CODEC(ZSTD(1)),
    notes               Array(LowCardinality(String))  CODEC(ZSTD(1)),
    door                LowCardinality(String),
    seq                 UInt64                         CODEC(Delta, ZSTD(1)),
    pos                 UInt32                         CODEC(T64, ZSTD(1))
)
ENGINE = {engine}MergeTree
PARTITION BY toYYYYMM(fromUnixTimestamp64Micro(received_us, 'UTC'))
ORDER BY (dataset, event_name, event_id, received_us, door, seq, pos)
SETTINGS
    fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1, min_bytes_for_wide_part = 10485760,
    old_parts_lifetime = 1, cleanup_delay_period = 1, max_cleanup_delay_period = 1, cleanup_delay_period_random_add = 0,
    cleanup_thread_preferred_points_per_iteration = 0;

-- What was refused or withheld, and why: n items that ended alike.
CREATE TABLE IF NOT EXISTS tallies {on_cluster} (
    dataset     LowCardinality(String),
    source      LowCardinality(String),
    outcome     LowCardinality(String),
    reason      LowCardinality(String),
    n           UInt64              CODEC(T64, ZSTD(1)),
    received_us Int64               CODEC(Delta, ZSTD(1)),
    event_name  LowCardinality(String),
    door        LowCardinality(String),
    seq         UInt64              CODEC(Delta, ZSTD(1)),
    pos         UInt32              CODEC(T64, ZSTD(1))
)
ENGINE = {engine}MergeTree
ORDER BY (dataset, received_us, door, seq, pos)
SETTINGS
    fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1,
    old_parts_lifetime = 1, cleanup_delay_period = 1, max_cleanup_delay_period = 1, cleanup_delay_period_random_add = 0,
    cleanup_thread_preferred_points_per_iteration = 0;

-- Datasets as they were from a moment on; settings is JSON. The newest row of a dataset, by (changed_us, door, seq), is in
-- force. Token hashes are not here.
CREATE TABLE IF NOT EXISTS settings {on_cluster} (
    dataset    String,
    name       String,
    created_us Int64,
    changed_us Int64,
    deleted    Bool,
    settings   String,
    door       LowCardinality(String),
    seq        UInt64,
    pos        UInt32
)
ENGINE = {engine}MergeTree
ORDER BY (dataset, changed_us, door, seq)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1;

-- What lies in the log and could not be loaded, n items a row, with the reason. pos is the first item's place.
CREATE TABLE IF NOT EXISTS set_aside {on_cluster} (
    dataset     LowCardinality(String),
    source      LowCardinality(String),
    event_name  LowCardinality(String),
    received_us Int64,
    reason      LowCardinality(String),
    detail      String,
    n           UInt64,
    kind        UInt8,
    door        LowCardinality(String),
    seq         UInt64,
    pos         UInt32
)
ENGINE = {engine}MergeTree
ORDER BY (dataset, received_us, door, seq, pos)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1;

-- How far each door's log is loaded. A row is written before its entries are: the entries of the newest batch may be there
-- in part, those of every earlier one are there. Only the newest row of a door counts, the others go with merges.
CREATE TABLE IF NOT EXISTS batches {on_cluster} (
    door      String,
    batch     UInt64,
    first_seq UInt64,
    last_seq  UInt64,
    items     UInt64
)
ENGINE = {engine}ReplacingMergeTree(batch)
ORDER BY door
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1;
