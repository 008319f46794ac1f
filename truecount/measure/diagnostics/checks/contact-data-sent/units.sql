-- In which fields did contact data stand in the clear? What scrubbing took, by field and kind, and match keys that came
-- unhashed where the wire format wants hashes. Each is told as a share of its door's copies. A dataset's sensitive words
-- are no contact data.
with
taken as
(
    select
        *,
        arrayJoin(arrayDistinct(arrayConcat(arrayFilter(one -> not endsWith(one, ':word'), removed), if(has(notes, 'unhashed'), ['user_data:unhashed'], [])))) as what,
        splitByChar(':', what) as words,
        arrayStringConcat(arrayPopBack(words), ':') as field,
        words[-1] as kind
    from seen
    where arrayExists(one -> not endsWith(one, ':word'), removed) or has(notes, 'unhashed')
),
doors as
(
    select source, received_us >= {quiet_from_us:Int64} as lately, count() as copies, max(received_us) as last_us
    from seen
    group by source, lately
),
fields as
(
    select source, field, kind, countIf(received_us >= {quiet_from_us:Int64}) as lately, count() as all_times
    from taken
    group by source, field, kind
)
select
    [source, field, kind] as subject,
    1 as bad,
    1 as n,
    event_name,
    event_id,
    once,
    source,
    received_us,
    place,
    null::Nullable(Int64) as value_e4,
    '' as currency,
    []::Array(UInt64) as extra
from taken

union all

select
    [source, field, kind] as subject,
    0 as bad,
    doors.copies - if(doors.lately, fields.lately, all_times - fields.lately) as n,
    '' as event_name,
    '' as event_id,
    '' as once,
    source,
    last_us as received_us,
    toUInt128(0) as place,
    null::Nullable(Int64) as value_e4,
    '' as currency,
    []::Array(UInt64) as extra
from fields
inner join doors on fields.source = doors.source
