-- The action that holds the copy that was chosen by its offset.
select action from verdicts where place in (select place from {chosen:Identifier})
