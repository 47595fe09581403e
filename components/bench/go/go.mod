module bench

go 1.24

require github.com/relight-dev/relight/guest-sdk/go v0.0.0

replace github.com/relight-dev/relight/guest-sdk/go => ../../../guest-sdk/go
