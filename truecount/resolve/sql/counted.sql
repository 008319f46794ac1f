-- The copies that form actions: without a mark that the dataset leaves out, and no amendments.
select * from accepted where not left_out and event_name != 'AppendValue'
