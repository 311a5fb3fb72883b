module raft

go 1.19

require dlab v0.0.0

replace dlab => ../../../../../core/sdk/go
