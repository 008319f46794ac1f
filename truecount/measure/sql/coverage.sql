-- How many of the accepted copies of each event name carry which match key, in a range of event times.
select
    toString(event_name) as name,
    count() as copies,
    countIf(notEmpty(em)) as with_em,
    countIf(notEmpty(ph)) as with_ph,
    countIf(notEmpty(external_id)) as with_external_id,
    countIf(fbp != '') as with_fbp,
    countIf(fbc != '') as with_fbc,
    countIf(notEmpty(em) or notEmpty(ph) or notEmpty(external_id)) as with_strong,
    countIf(event_id != '') as with_event_id,
    max(received_us) as last_received_us
from copies
where dataset = {dataset:String} and event_time_ms >= {since_ms:Int64} and event_time_ms < {until_ms:Int64}
group by name
order by name
