-- Copies that came between two moments, as rows of `rolled`, for both lengths of a bucket.
select
    {dataset:String} as dataset,
    {generation:UInt64} as generation,
    'copy' as kind,
    arrayJoin([60000, 900000]) as step_ms,
    event_name,
    event_time_ms - positiveModulo(event_time_ms, step_ms) as bucket,
    toString(source) as word,
    count() as d_n,
    countIf(left_out) as d_left_out,
    countIf(not left_out and event_id != '') as d_ids,
    countIf(not left_out and event_id = '') as d_bare,
    countIf(bitAnd(marks, {bot:UInt32}) != 0) as d_bots,
    countIf(bitAnd(marks, {tool:UInt32}) != 0) as d_tools,
    countIf(notEmpty(em)) as d_em,
    countIf(notEmpty(ph)) as d_ph,
    countIf(notEmpty(external_id)) as d_external_id,
    countIf(fbp != '') as d_fbp,
    countIf(fbc != '') as d_fbc,
    countIf(notEmpty(em) or notEmpty(ph) or notEmpty(external_id)) as d_strong,
    countIf(event_id != '') as d_event_id,
    min(event_time_ms) as d_first_ms,
    max(event_time_ms) as d_last_ms,
    max(received_us) as d_last_us
from accepted
where seq >= transform(door, {old_doors:Array(String)}, {old_seqs:Array(UInt64)}, toUInt64(0))
group by step_ms, event_name, bucket, word
