-- Sums of what dedup says, so that a page over a long history need not ask it of every copy again (truecount/rolled has
-- the rules). They are made from copies, and may be thrown away at any time.
--
-- kind    moment   how far a generation looks: word is a door of the log, n its last entry. Without it, the generation
--                  is no good.
--         basis    word says what the sums rest on: another one, another generation.
--         action   actions: n of them, of how many copies; word is the currency, "" where there is no value.
--         removed  copies that the pool removed: word is the cause, rule the rule, n how many.
--         amended  amendments with an original: n, of them left_out.
--         copy     accepted copies: n, by source (word); and what they carry.
-- step_ms  how long a bucket is: minutes, and quarters of an hour. Buckets are of event times.
CREATE TABLE IF NOT EXISTS rolled {on_cluster} (
    dataset         LowCardinality(String),
    generation      UInt64,
    kind            LowCardinality(String),
    step_ms         UInt32,
    event_name      String,
    bucket_ms       Int64,
    class           UInt8,
    door            UInt8,
    word            String,
    rule            LowCardinality(String),
    n               SimpleAggregateFunction(sum, Int64),
    copies          SimpleAggregateFunction(sum, Int64),
    browser_copies  SimpleAggregateFunction(sum, Int64),
    limited         SimpleAggregateFunction(sum, Int64),
    value_e4        SimpleAggregateFunction(sum, Int128),
    left_out        SimpleAggregateFunction(sum, Int64),
    counted_ids     SimpleAggregateFunction(sum, Int64),
    counted_bare    SimpleAggregateFunction(sum, Int64),
    bots            SimpleAggregateFunction(sum, Int64),
    tools           SimpleAggregateFunction(sum, Int64),
    with_em         SimpleAggregateFunction(sum, Int64),
    with_ph         SimpleAggregateFunction(sum, Int64),
    with_external_id SimpleAggregateFunction(sum, Int64),
    with_fbp        SimpleAggregateFunction(sum, Int64),
    with_fbc        SimpleAggregateFunction(sum, Int64),
    with_strong     SimpleAggregateFunction(sum, Int64),
    with_event_id   SimpleAggregateFunction(sum, Int64),
    first_ms        SimpleAggregateFunction(min, Int64),
    last_ms         SimpleAggregateFunction(max, Int64),
    last_us         SimpleAggregateFunction(max, Int64)
)
ENGINE = {engine}AggregatingMergeTree
PARTITION BY (dataset, generation)
ORDER BY (kind, step_ms, event_name, bucket_ms, class, door, word, rule)
SETTINGS
    fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1,
    old_parts_lifetime = 1, cleanup_delay_period = 1, max_cleanup_delay_period = 1, cleanup_delay_period_random_add = 0,
    cleanup_thread_preferred_points_per_iteration = 0;
