-- What amendments made of one action.
select value_e4, currency from {amended:Identifier} where action = {action:UInt128}
