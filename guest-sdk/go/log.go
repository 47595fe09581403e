package relight

import (
	"context"
	"log/slog"
	"strings"

	"github.com/relight-dev/relight/guest-sdk/go/internal/host"
)

// LevelTrace lies below slog.LevelDebug.
const LevelTrace = slog.Level(-8)

// NewLogHandler gives a slog.Handler that writes to the log of the invocation. Lines are not repeated while replaying, and the host
// decides which levels it keeps. In a component it is that of slog.Default, so that log and log/slog work as they are.
func NewLogHandler() slog.Handler { return &logHandler{} }

type logHandler struct {
	// prefix of the open groups, ending in a point.
	prefix string
	fields []host.Pair
}

func (*logHandler) Enabled(context.Context, slog.Level) bool { return true }

func (h *logHandler) Handle(_ context.Context, record slog.Record) error {
	fields := h.fields[:len(h.fields):len(h.fields)]
	record.Attrs(func(attr slog.Attr) bool {
		fields = appendAttr(fields, h.prefix, attr)
		return true
	})
	host.Log(hostLevel(record.Level), strings.TrimSuffix(record.Message, "\n"), fields)
	return nil
}

func (h *logHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	fields := h.fields[:len(h.fields):len(h.fields)]
	for _, attr := range attrs {
		fields = appendAttr(fields, h.prefix, attr)
	}
	return &logHandler{h.prefix, fields}
}

func (h *logHandler) WithGroup(name string) slog.Handler {
	if name == "" {
		return h
	}
	return &logHandler{h.prefix + name + ".", h.fields}
}

func appendAttr(fields []host.Pair, prefix string, attr slog.Attr) []host.Pair {
	value := attr.Value.Resolve()
	if value.Kind() != slog.KindGroup {
		if attr.Equal(slog.Attr{}) {
			return fields
		}
		return append(fields, host.Pair{Name: prefix + attr.Key, Value: value.String()})
	}
	if attr.Key != "" {
		prefix += attr.Key + "."
	}
	for _, member := range value.Group() {
		fields = appendAttr(fields, prefix, member)
	}
	return fields
}

func hostLevel(level slog.Level) host.Level {
	switch {
	case level < slog.LevelDebug:
		return host.LevelTrace
	case level < slog.LevelInfo:
		return host.LevelDebug
	case level < slog.LevelWarn:
		return host.LevelInfo
	case level < slog.LevelError:
		return host.LevelWarn
	default:
		return host.LevelError
	}
}
