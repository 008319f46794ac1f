-- Which parameters the copies of one event name carry, by source, and what kind of value stands in them. A parameter is a
-- name of custom_data; what the copy keeps in columns (money, order, id, address of the page) counts where it is not there
-- too. Of one copy no more than 200 names are looked at, of a name no more than 100 characters. Reading JSON costs: where
-- there are very many copies, one entry of the log in `one_in` is looked into, which a single column tells.
--
-- number  reads as one, with a decimal point
-- empty   "", null, [] or {}
-- word    a script's word for nothing: undefined, null, NaN
-- text    any other text
-- other   lists, objects, true and false
select
    place,
    name,
    sum(n) as total,
    groupArray((origin, n, numbers, empties, words, texts)) as by_source,
    min(a_word) as some_word,
    min(a_text) as some_text,
    count() over () as names
from
(
    select
        toString(source) as origin,
        pair.1 as place,
        pair.2 as name,
        count() as n,
        countIf(kind = 'number') as numbers,
        countIf(kind = 'empty') as empties,
        countIf(kind = 'word') as words,
        countIf(kind = 'text') as texts,
        minOrNullIf(substringUTF8(value, 1, 60), kind = 'word') as a_word,
        minOrNullIf(substringUTF8(value, 1, 60), kind = 'text') as a_text
    from
    (
        select
            source,
            pair,
            if(startsWith(pair.3, '"'), trimBoth(JSONExtractString(pair.3)), pair.3) as value,
            multiIf(
                value = '' or pair.3 in ('null', '[]', '{}'), 'empty',
                startsWith(pair.3, '"') and lower(value) in ('undefined', 'null', 'nan', 'none', '[object object]', 'infinity'), 'word',
                match(value, '^[-+]?[0-9]+([.][0-9]+)?([eE][-+]?[0-9]+)?$'), 'number',
                startsWith(pair.3, '"'), 'text',
                'other'
            ) as kind
        from
        (
            select
                source,
                arrayMap(pair -> (pair.1, pair.2), JSONExtractKeysAndValuesRaw(custom_data)) as sent,
                arrayMap(pair -> pair.1, sent) as sent_names,
                arrayJoin(arrayConcat(
                    arrayFilter(pair -> pair.3 != '', [
                        ('event', 'event_id', if(event_id = '', '', toJSONString(event_id))),
                        ('event', 'event_source_url', if(url = '', '', '{"":0}')),
                        ('custom_data', 'value', if(isNull(value_e4) or has(sent_names, 'value'), '', toString(value_e4))),
                        ('custom_data', 'currency', if(currency = '' or has(sent_names, 'currency'), '', toJSONString(toString(currency)))),
                        ('custom_data', 'order_id', if(order_id = '' or has(sent_names, 'order_id'), '', toJSONString(order_id))),
                        ('custom_data', 'item_number', if(item_number = '' or has(sent_names, 'item_number'), '', toJSONString(item_number)))
                    ]),
                    arrayMap(
                        pair -> ('custom_data', substringUTF8(pair.1, 1, 100), pair.2),
                        arraySlice(arrayFilter((pair, at) -> indexOf(sent_names, pair.1) = at, sent, arrayEnumerate(sent)), 1, 200)
                    )
                )) as pair
            from copies
            where dataset = {dataset:String} and event_name = {event_name:String}
                and bitAnd(marks, {left_out_marks:UInt32}) = 0
                and event_time_ms >= {since_ms:Int64} and event_time_ms < {until_ms:Int64}
                and intHash64(seq) % {one_in:UInt64} = 0
        )
    )
    group by source, place, name
)
group by place, name
order by total desc, place, name
limit {most:UInt32}
