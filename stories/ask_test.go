package stories

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"regexp"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"sayso/internal/clock"
)

// refusal is a failure that ! before a command wants: the node or the verb said
// no. Any other failure, such as a connection that broke, fails the story.
type refusal struct{ error }

func isRefusal(err error) bool {
	var r refusal
	return errors.As(err, &r)
}

// run runs a verb of the binary.
func (s *story) run(ts *testscript.TestScript, args []string) error {
	err := ts.Exec(s.sayso, args...)
	s.said = ts.ReadFile("stdout")
	if hearErr := s.note(s.said + ts.ReadFile("stderr")); hearErr != nil {
		return hearErr
	}
	switch {
	case err != nil && malformed.MatchString(ts.ReadFile("stderr")):
		return fmt.Errorf("the question is wrong: %s", ts.ReadFile("stderr"))
	case err != nil:
		return refusal{err}
	}
	return nil
}

// malformed is how a node answers a question that no caller could ask. It is no
// refusal, so that a slip of the pen in a story does not pass for one.
var malformed = regexp.MustCompile(`GRAPHQL_(VALIDATION|PARSE)_FAILED|Cannot query field|Unknown (argument|type)|Expected `)

// options are the flags of http and gql.
type options struct {
	token, path, body string
	headers           []string
}

func parse(args []string) (options, []string, error) {
	var o options
	f := flag.NewFlagSet("", flag.ContinueOnError)
	f.SetOutput(io.Discard)
	f.StringVar(&o.token, "token", "", "")
	f.StringVar(&o.path, "path", "/query", "")
	f.StringVar(&o.body, "body", "", "")
	f.Func("header", "", func(h string) error { o.headers = append(o.headers, h); return nil })
	err := f.Parse(args)
	return o, f.Args(), err
}

// gql asks a question in GraphQL.
func (s *story) gql(ts *testscript.TestScript, args []string) error {
	o, rest, err := parse(args)
	if err != nil || len(rest) != 1 {
		return fmt.Errorf("usage: gql [-token T] [-path P] QUERY: %v", err)
	}
	body, err := json.Marshal(map[string]string{"query": expand(ts, rest[0])})
	if err != nil {
		return err
	}
	o.headers = append(o.headers, "Content-Type:application/json")
	answer, err := s.send(http.MethodPost, o.path, o, body)
	if malformed.Match(answer) {
		return fmt.Errorf("the question is wrong: %s", answer)
	}
	if err != nil {
		return err
	}
	var said struct{ Errors []any }
	if err := json.Unmarshal(answer, &said); err != nil {
		return fmt.Errorf("the answer is no JSON: %w", err)
	}
	if len(said.Errors) > 0 {
		return refusal{fmt.Errorf("the answer has errors: %v", said.Errors)}
	}
	return nil
}

var variable = regexp.MustCompile(`\$[A-Z][A-Z_]*`)

// expand puts the story's variables, in capital letters, into a quoted text.
func expand(ts *testscript.TestScript, text string) string {
	return variable.ReplaceAllStringFunc(text, func(name string) string { return ts.Getenv(name[1:]) })
}

// request sends any request.
func (s *story) request(ts *testscript.TestScript, args []string) error {
	o, rest, err := parse(args)
	if err != nil || len(rest) != 2 {
		return fmt.Errorf("usage: http [-token T] [-body FILE] [-header K:V] METHOD PATH: %v", err)
	}
	var body []byte
	if o.body != "" {
		body = []byte(expand(ts, ts.ReadFile(o.body)))
	}
	_, err = s.send(rest[0], rest[1], o, body)
	return err
}

// send sends a request and notes the answer, which becomes the command's
// output. Path may be a URL.
func (s *story) send(method, path string, o options, body []byte) ([]byte, error) {
	url := path
	if strings.HasPrefix(path, "/") {
		url = "http://" + s.http + path
	}
	req, err := http.NewRequest(method, url, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", "application/json")
	if o.token != "" {
		req.Header.Set("Authorization", "Bearer "+o.token)
	}
	for _, h := range o.headers {
		k, v, _ := strings.Cut(h, ":")
		req.Header.Set(k, strings.TrimSpace(v))
	}
	res, err := (&http.Client{Timeout: 30 * time.Second}).Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err != nil {
		return nil, err
	}
	var head strings.Builder
	fmt.Fprintf(&head, "HTTP %s\n", res.Status)
	res.Header.Write(&head)
	s.said, s.head = string(answer), head.String()
	if err := s.note(s.head + s.said); err != nil {
		return nil, err
	}
	if res.StatusCode >= 400 {
		return answer, refusal{fmt.Errorf("%s", res.Status)}
	}
	return answer, nil
}

// until runs a command until its output matches.
func (s *story) until(ts *testscript.TestScript, args []string) error {
	if len(args) < 3 {
		return errors.New("usage: until TIME REGEXP COMMAND arg...")
	}
	limit, err := time.ParseDuration(args[0])
	if err != nil {
		return err
	}
	want, err := regexp.Compile(args[1])
	if err != nil {
		return err
	}
	do, ok := map[string]verb{"sayso": (*story).run, "gql": (*story).gql, "http": (*story).request, "source": (*story).source}[args[2]]
	if !ok {
		return fmt.Errorf("until runs sayso, gql, http and source, not %s", args[2])
	}
	for end := (clock.System{}).Now().Add(limit); ; time.Sleep(20 * time.Millisecond) {
		err := do(s, ts, args[3:])
		switch {
		case want.MatchString(s.said):
			s.lap(ts)
			return nil
		case (clock.System{}).Now().After(end):
			return fmt.Errorf("%s did not match %q within %s; at last: %v %s", args[2], args[1], limit, err, s.said)
		}
	}
}

// lap notes how long after the last start something was seen.
func (s *story) lap(ts *testscript.TestScript) {
	if s.running == nil {
		return
	}
	took := clock.System{}.Now().Sub(s.running.began)
	ts.Logf("seen %s after the start", took.Round(time.Millisecond))
	ts.Setenv("UNTIL_MS", fmt.Sprint(took.Milliseconds()))
}

// moment makes a variable of a time near the beginning of the story, so that no
// story depends on the day it runs.
func (s *story) moment(ts *testscript.TestScript, args []string) error {
	if len(args) < 2 || len(args) > 4 {
		return errors.New("usage: moment NAME OFFSET [ROUND [PLUS]]")
	}
	lengths := []time.Duration{0, time.Second, 0}
	for i, text := range args[1:] {
		var err error
		if lengths[i], err = time.ParseDuration(text); err != nil {
			return err
		}
	}
	at := s.began.Add(lengths[0]).Truncate(lengths[1]).Add(lengths[2])
	ts.Setenv(args[0], at.UTC().Format(time.RFC3339Nano))
	return nil
}

// fill writes a file with the story's variables in it.
func (s *story) fill(ts *testscript.TestScript, args []string) error {
	if len(args) != 2 {
		return errors.New("usage: fill FILE TEMPLATE")
	}
	return os.WriteFile(ts.MkAbs(args[0]), []byte(expand(ts, ts.ReadFile(args[1]))), 0o600)
}

// hear begins or ends the collection of answers.
func (s *story) hear(ts *testscript.TestScript, args []string) error {
	if len(args) != 1 {
		return errors.New("usage: hear FILE|-")
	}
	if s.heard = ""; args[0] != "-" {
		s.heard = ts.MkAbs(args[0])
	}
	return nil
}

// note adds to the collection.
func (s *story) note(text string) error {
	if s.heard == "" {
		return nil
	}
	f, err := os.OpenFile(s.heard, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text + "\n")
	return errors.Join(err, f.Close())
}

// absent checks that a file has none of some texts. The file must have
// something, so that a story does not pass by hearing nothing.
func (s *story) absent(ts *testscript.TestScript, args []string) error {
	if len(args) < 2 {
		return errors.New("usage: absent FILE TEXT...")
	}
	text := ts.ReadFile(args[0])
	if strings.TrimSpace(text) == "" {
		return fmt.Errorf("%s is empty", args[0])
	}
	for _, word := range args[1:] {
		if i := strings.Index(text, word); i >= 0 {
			return fmt.Errorf("%s contains %q: ...%s...", args[0], word, text[max(0, i-200):min(len(text), i+200)])
		}
	}
	return nil
}
