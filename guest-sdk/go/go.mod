module github.com/relight-dev/relight/guest-sdk/go

go 1.24
