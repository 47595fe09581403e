//go:build !wasip1

package relight

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/relight-dev/relight/guest-sdk/go/internal/host"
)

func TestDurationsAndInstantsRoundUpToMilliseconds(t *testing.T) {
	for duration, millis := range map[time.Duration]uint64{
		0: 0, -1: 0, 1: 1, time.Millisecond: 1, time.Millisecond + 1: 2, 1<<63 - 1: 9223372036855,
	} {
		if got := toMillis(duration); got != millis {
			t.Errorf("%v is %d ms, not %d", duration, got, millis)
		}
	}
	if got := millisOf(time.Unix(1, 1)); got != 1001 {
		t.Error(got)
	}
	if got := millisOf(time.Unix(-1, 0)); got != 0 {
		t.Error(got)
	}
}

func TestTheFirstPauseIsNeverLongerThanTheLongest(t *testing.T) {
	for _, policy := range []struct {
		given            RetryPolicy
		initial, longest uint64
	}{
		{RetryPolicy{}, 50, 10_000},
		{RetryPolicy{InitialInterval: time.Minute}, 60_000, 60_000},
		{RetryPolicy{MaxInterval: 5 * time.Millisecond}, 5, 5},
		{RetryPolicy{InitialInterval: time.Minute, MaxInterval: time.Second}, 1000, 1000},
	} {
		got := policy.given.toHost()
		if got.InitialInterval != policy.initial || got.MaxInterval != policy.longest || got.Factor != 2 {
			t.Errorf("%+v became %+v", policy.given, got)
		}
	}
}

func TestErrorsAreTerminalOrRetryable(t *testing.T) {
	sold := Fail(409, "sold out").With("left", "0")
	for _, given := range []struct {
		err  error
		want string
	}{
		{sold, "409 sold out [{left 0}]"},
		{fmt.Errorf("reserve A1: %w", sold), "409 reserve A1: sold out (409) [{left 0}]"},
		{Fail(200, "fine?"), "500 fine? []"},
		{errors.New("later"), "retry later"},
		{RetryAfter(errors.New("later"), 1500*time.Microsecond), "retry later after 2"},
		{RetryAfter(sold, time.Second), "409 sold out (409) [{left 0}]"},
		{cancelledFailure(), "409 cancelled []"},
	} {
		attempt := attemptError(given.err)
		got := "retry " + attempt.Message
		if attempt.After != nil {
			got += fmt.Sprintf(" after %d", *attempt.After)
		}
		if failure := attempt.Failure; failure != nil {
			got = fmt.Sprint(failure.Code, " ", failure.Message, " ", failure.Metadata)
		}
		if got != given.want {
			t.Errorf("%v became %q, not %q", given.err, got, given.want)
		}
	}
}

func TestFailuresCompareAsErrorsDo(t *testing.T) {
	var failure *TerminalFailure
	if !errors.As(fmt.Errorf("wrapped: %w", Fail(404, "no")), &failure) || failure.Code != 404 {
		t.Error(failure)
	}
	if errors.Is(Fail(409, "cancelled"), ErrCancelled) || !errors.Is(cancelledFailure(), ErrCancelled) {
		t.Error("a failure with the same words is a cancellation")
	}
}

func TestPayloadsAreWrittenAsOtherLanguagesDo(t *testing.T) {
	for _, given := range []struct {
		value any
		want  string
	}{
		{"<a & b>", `"<a & b>"`},
		{"\u2028 \\u2028 \u2029", "\"\u2028 \\\\u2028 \u2029\""},
		{"\x00\x1f\n", `"\u0000\u001f\n"`},
		{Void{}, "null"},
		{map[string]int{"b": 1, "a": 2}, `{"a":2,"b":1}`},
	} {
		if got := string(encode(given.value)); got != given.want {
			t.Errorf("%q became %s, not %s", given.value, got, given.want)
		}
	}
	if encodeInput(Void{}) != nil {
		t.Error("no input is an empty body")
	}
}

type seat struct {
	Row    int        `json:"row" doc:"From the stage."`
	Status string     `json:"status" enum:"free,sold"`
	Next   *seat      `json:"next,omitempty"`
	Since  *time.Time `json:"since"`
	hidden int
	place
}

type place struct {
	Name string
	Skip bool `json:"-"`
}

func TestSchemasComeFromTypes(t *testing.T) {
	definition := payloadDef(reflect.TypeFor[[]seat]())
	var document map[string]any
	if err := json.Unmarshal([]byte(*definition.JSONSchema), &document); err != nil {
		t.Fatal(err)
	}
	delete(document, "$schema")
	got := string(encode(document))
	want := `{"$defs":{"seat":{"properties":{"Name":{"type":"string"},` +
		`"next":{"anyOf":[{"$ref":"#/$defs/seat"},{"type":"null"}]},` +
		`"row":{"description":"From the stage.","type":"integer"},` +
		`"since":{"anyOf":[{"format":"date-time","type":"string"},{"type":"null"}]},` +
		`"status":{"enum":["free","sold"],"type":"string"}},` +
		`"required":["row","status","Name"],"type":"object"}},` +
		`"items":{"$ref":"#/$defs/seat"},"type":["array","null"]}`
	if got != want {
		t.Errorf("got\n%s\nnot\n%s", got, want)
	}
	if inputDef[Void]().Required || inputDef[*seat]().Required || !inputDef[seat]().Required {
		t.Error("what may be left out")
	}
}

func TestARegisteredComponentDescribesItself(t *testing.T) {
	defer func(s []*service, e []*effect, p []string) { services, effects, problems = s, e, p }(services, effects, problems)
	services, effects, problems = nil, nil, nil
	add := func(ctx ObjectContext, amount int) (int, error) { return amount, nil }
	Object("Counter", Doc("A number."), Private(), Exclusive("add", add, Doc("Adds."), Public()),
		Shared("get", func(ctx SharedObjectContext, _ Void) (int, error) { return 0, nil }))
	Effect("charge", func(ctx EffectContext, cents int) (Void, error) { return Void{}, nil }, Timeout(time.Second))
	m := manifest()
	counter := m.Services[0]
	if counter.Name != "Counter" || counter.Kind != host.KindObject || *counter.Options.Public || *counter.Documentation != "A number." {
		t.Errorf("%+v", counter)
	}
	if h := counter.Handlers[1]; h.Mode != host.ModeShared || h.Input.Required || h.Options.Public != nil {
		t.Errorf("%+v", h)
	}
	if e := m.Effects[0]; e.Name != "charge" || *e.Timeout != 1000 {
		t.Errorf("%+v", e)
	}

	Object("Counter", Exclusive("add", add), Exclusive("add", add),
		Handler("greet", func(ctx Context, _ Void) (Void, error) { return Void{}, nil }))
	want := []string{
		"the service `Counter` is registered twice", "`Counter/add` is registered twice",
		"`Counter/greet` is a handler of a service, not of a virtual object",
	}
	if !slices.Equal(problems, want) {
		t.Errorf("%q", problems)
	}
	defer func() {
		if reason := recover(); !strings.Contains(fmt.Sprint(reason), "registered twice") {
			t.Error(reason)
		}
	}()
	manifest()
}

func TestInputsThatCannotBeReadAreTheCallersMistake(t *testing.T) {
	h := Handler("echo", func(ctx Context, text string) (string, error) { return text, nil })
	for _, payload := range []string{"{", "3", "null", " null ", ""} {
		_, err := h.invoke(&handlerContext{}, []byte(payload))
		var failure *TerminalFailure
		if !errors.As(err, &failure) || failure.Code != 400 {
			t.Errorf("%s: %v", payload, err)
		}
	}
}

func TestFieldsThatAreMissingAreNamed(t *testing.T) {
	type inner struct {
		ID   string `json:"id"`
		Note string `json:"note,omitempty"`
	}
	type embedded struct {
		Promoted int `json:"promoted"`
	}
	type order struct {
		embedded
		Customer string           `json:"customer"`
		Cents    uint32           `json:"cents"`
		Card     *string          `json:"card"`
		Lines    []inner          `json:"lines"`
		Named    map[string]inner `json:"named,omitempty"`
		At       time.Time        `json:"at,omitzero"`
		Anything any              `json:"anything,omitempty"`
		hidden   int
	}
	h := Handler("order", func(ctx Context, input order) (Void, error) { _ = input.hidden; return Void{}, nil })
	for payload, want := range map[string]string{
		`{"promoted":1,"customer":"a","cents":0,"lines":[]}`:                                       "",
		`{"promoted":1,"CUSTOMER":"a","cents":0,"lines":null,"card":null,"anything":null}`:         "",
		`{"promoted":1,"customer":"a","cents":0,"lines":[{"id":"1"}],"at":"2030-01-01T00:00:00Z"}`: "",
		`{"promoted":1,"customer":"a","lines":[]}`:                                                 "missing field `cents`",
		`{"customer":"a","cents":1,"lines":[]}`:                                                    "missing field `promoted`",
		`{"promoted":1,"customer":null,"cents":0,"lines":[]}`:                                      "the field `customer` is null",
		`{"promoted":1,"customer":"a","cents":0}`:                                                  "missing field `lines`",
		`{"promoted":1,"customer":"a","cents":0,"lines":[{"id":"1"},{"note":"n"}]}`:                "missing field `lines[1].id`",
		`{"promoted":1,"customer":"a","cents":0,"lines":[],"named":{"x":{}}}`:                      "missing field `named.x.id`",
	} {
		_, err := h.invoke(&handlerContext{}, []byte(payload))
		var failure *TerminalFailure
		switch {
		case want == "" && err == nil:
		case want != "" && errors.As(err, &failure) && failure.Code == 400 && failure.Message == "cannot read the input: "+want:
		default:
			t.Errorf("%s: %v, not %q", payload, err, want)
		}
	}
}

func TestOptionsOfCallsReachTheHost(t *testing.T) {
	script := &host.Script{}
	host.Play(script)
	current = &scheduler{}
	ctx := &handlerContext{}
	reserve := Client[Void, bool]{Service: "Ticket", Handler: "reserve"}.Key("a b")
	reserve.Start(ctx, Void{}, IdempotencyKey("k"), CallHeader("x", "1"), Named("n"))
	reserve.Send(ctx, Void{}, After(time.Minute))
	Send(ctx, ServiceTarget("Mail", "send"), 5, At(time.UnixMilli(7)))
	check := []string{
		"1 call Ticket/a b/reserve() name n key k x: 1", "2 send Ticket/a b/reserve() after 60000",
		"3 send Mail/send(5) at 7",
	}
	if !slices.Equal(script.Transcript, check) {
		t.Errorf("%q", script.Transcript)
	}
}

func TestLogLinesHaveLevelsAndFields(t *testing.T) {
	script := &host.Script{}
	host.Play(script)
	logger := slog.New(NewLogHandler()).With("a", 1).WithGroup("g")
	logger.Info("hello", "b", true, slog.Group("h", "c", "x"))
	logger.Log(context.Background(), LevelTrace, "deep")
	logger.Error("bad\n")
	want := []string{"log 2 hello [{a 1} {g.b true} {g.h.c x}]", "log 0 deep [{a 1}]", "log 4 bad [{a 1}]"}
	if !slices.Equal(script.Transcript, want) {
		t.Errorf("%q", script.Transcript)
	}
}
