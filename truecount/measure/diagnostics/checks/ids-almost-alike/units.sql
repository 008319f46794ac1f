-- Which actions did not merge because their event ids differ by case, blanks, leading zeros or a prefix alone? Such a pair is
-- one id that only the browser sent and one that only the server sent, alike once folded, with no third one like them,
-- received within 48 hours of each other, with the same amount where both told one.
with
ids as
(
    select
        event_name,
        event_id,
        min(place) as first_place,
        min(received_us) as first_us,
        max(received_us) as last_us,
        argMin(source, place) as first_source,
        countIf(browser_side) > 0 as by_browser,
        countIf(not browser_side) > 0 as by_server,
        by_browser and by_server as merged,
        argMinIf(assumeNotNull(value_e4), place, isNotNull(value_e4) and currency != '') as first_e4,
        argMinIf(currency, place, isNotNull(value_e4) and currency != '') as first_currency,
        extract(lowerUTF8(event_id), '([a-z0-9]+)[^a-z0-9]*$') as tail,
        replaceRegexpAll(lowerUTF8(event_id), '[^\\pL\\pN]+', '') as bare,
        replaceRegexpOne(bare, '^\\pL*0*', '') as number,
        multiIf(
            merged, '',
            match(tail, '^[0-9]{4,}$'), trimLeft(tail, '0'),
            match(number, '^[0-9]{3,}$'), number,
            bare
        ) as folded
    from seen
    where class = 0 and event_id != '' and event_name in (select event_name from two_sided)
    group by event_name, event_id
)
select
    [event_name] as subject,
    not merged as bad,
    if(merged, count(), 1) as n,
    event_name,
    argMin(event_id, first_place) as event_id,
    folded as once,
    argMin(first_source, first_place) as source,
    max(last_us) as received_us,
    min(first_place) as place,
    if(merged or max(first_currency) = '', null, argMinIf(first_e4, first_place, first_currency != '')) as value_e4,
    max(first_currency) as currency,
    []::Array(UInt64) as extra
from ids
where merged or folded != ''
group by event_name, merged, merged and last_us >= {quiet_from_us:Int64}, folded
having merged or (
    countIf(by_browser) = 1 and countIf(by_server) = 1
    and max(last_us) - min(first_us) <= 172800000000
    and uniqExactIf((first_e4, first_currency), first_currency != '') <= 1
)
