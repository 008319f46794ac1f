-- Copies that the pool removed, by the minute of their action: what each was beside the copy that is kept, and by which rule.
select
    'removed' as kind,
    event_name,
    bucket_ms,
    class,
    0 as door,
    cause as word,
    rule,
    {sign:Int64} * toInt64(count()) as n_removed,
    toInt64(0) as n_copies,
    toInt64(0) as n_browser_copies,
    toInt64(0) as n_limited,
    toInt128(0) as total_e4,
    toInt64(0) as n_left_out,
    []::Array(String) as long_keys
from
(
    select
        event_name,
        bucket_ms,
        class,
        rule,
        kept,
        multiIf(browser != kept_browser and nth = 1, 'other_door', browser, 'browser_again', 'server_again') as cause
    from
    (
        select
            verdicts.event_name as event_name,
            merged.class as class,
            merged.browser as browser,
            verdicts.rule as rule,
            verdicts.kept as kept,
            actions.event_time_ms - positiveModulo(actions.event_time_ms, 60000) as bucket_ms,
            max(verdicts.kept and merged.browser) over (partition by verdicts.action) as kept_browser,
            row_number() over (partition by verdicts.action, merged.browser order by merged.place) as nth
        from verdicts
        inner join (select place, class, browser from {resolved:Identifier}) as merged on verdicts.place = merged.place
        inner join special as actions on verdicts.action = actions.action
    )
)
where not kept
group by event_name, bucket_ms, class, cause, rule
