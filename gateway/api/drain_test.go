package api

import (
	"errors"
	"fmt"
	"regexp"
	"testing"
	"time"

	"sluice/gateway/hub"
)

// fakeDrainer knows the nodes a (this one) and b, and says what it was told.
type fakeDrainer struct{ fail error }

func (d fakeDrainer) look(node, state string) (Drain, error) {
	if d.fail == nil && node != "" && node != "a" && node != "b" {
		return Drain{}, ErrUnknownNode
	}
	return Drain{Node: node, State: state}, d.fail
}

func (d fakeDrainer) Start(node string, p DrainPlan) (Drain, error) {
	v, err := d.look(node, "closing")
	begun := time.Now()
	v.Begun = &begun
	v.Over = fmt.Sprint(p.Force)
	if p.Over != nil {
		v.Over = p.Over.String()
	}
	if p.Delay != nil {
		v.Open = int(p.Delay.Seconds())
	}
	if p.MaxRate != nil {
		v.MaxRate = *p.MaxRate
	}
	return v, err
}

func (d fakeDrainer) Abort(node string) (Drain, error) { return d.look(node, "none") }
func (d fakeDrainer) Look(node string) (Drain, error)  { return d.look(node, "closing") }

var begun = regexp.MustCompile(`"begun":"[^"]*",`)

func TestDrainCalls(t *testing.T) {
	s := New(options(&fakeHub{}))
	for _, tt := range []struct {
		method, target, body string
		status               int
		want                 string // of the answer, without "begun"
	}{
		{"POST", "/api/drain", `{}`, 200, `{"result":{"node":"","state":"closing","connections":0,"over":"false"}}`},
		{"POST", "/api/drain", `{"node":"b","delay":"5s","over":"1m30s","max_rate":2000,"force":true}`, 200, `{"result":{"node":"b","state":"closing","connections":0,"open":5,"over":"1m30s","max_rate":2000}}`},
		{"POST", "/api/drain", `{"force":true}`, 200, `{"result":{"node":"","state":"closing","connections":0,"over":"true"}}`},
		{"POST", "/api/drain", `{"node":"x"}`, 404, `{"error":{"code":"unknown_node","message":"there is no node \"x\" in the fleet, or it does not answer; /api/info (sluice nodes) lists those that there are"}}`},
		{"POST", "/api/drain", `{"over":"600"}`, 400, `{"error":{"code":"invalid_request","message":"\"over\" must be a time such as \"30s\" or \"10m\", at most 24h"}}`},
		{"POST", "/api/drain", `{"over":"25h"}`, 400, `{"error":{"code":"invalid_request","message":"\"over\" must be a time such as \"30s\" or \"10m\", at most 24h"}}`},
		{"POST", "/api/drain", `{"delay":"-1s"}`, 400, `{"error":{"code":"invalid_request","message":"\"delay\" must be a time such as \"30s\" or \"10m\", at most 24h"}}`},
		{"POST", "/api/drain", `{"max_rate":-1}`, 400, `{"error":{"code":"invalid_request","message":"\"max_rate\" must be from 0 (no limit) to 1000000 connections a second"}}`},
		{"POST", "/api/drain", `{"max_rate":1000001}`, 400, `{"error":{"code":"invalid_request","message":"\"max_rate\" must be from 0 (no limit) to 1000000 connections a second"}}`},
		{"POST", "/api/drain", `{"force":1}`, 400, `{"error":{"code":"invalid_request","message":"\"force\" must be true or false"}}`},
		{"GET", "/api/drain?node=b", "", 200, `{"result":{"node":"b","state":"closing","connections":0}}`},
		{"GET", "/api/drain?node=x", "", 404, `{"error":{"code":"unknown_node","message":"there is no node \"x\" in the fleet, or it does not answer; /api/info (sluice nodes) lists those that there are"}}`},
		{"DELETE", "/api/drain?node=b", "", 200, `{"result":{"node":"b","state":"none","connections":0}}`},
		{"DELETE", "/api/drain?channel=b", "", 400, `{"error":{"code":"invalid_request","message":"the query has the unknown parameter \"channel\""}}`},
	} {
		res := exchange(t, s, request(tt.method, tt.target, tt.body))
		body := begun.ReplaceAllString(res.body, "")
		if res.status != tt.status || body != tt.want {
			t.Errorf("%s %s %s: %d %s, want %d %s", tt.method, tt.target, tt.body, res.status, body, tt.status, tt.want)
		}
	}
	for want, err := range map[string]error{
		`503 {"error":{"code":"fleet_down","message":"the link to the broker is down, and no other node can be reached: ask node \"b\" at its own admin address (sluice drain --api), without its name"}}`:        hub.ErrDown,
		`409 {"error":{"code":"no_survivors","message":"the link to the broker is down, so it is not known whether another node takes connections; \"force\": true (sluice drain --force) drains all the same"}}`: errors.Join(ErrNoSurvivors, hub.ErrDown),
	} {
		o := options(&fakeHub{})
		o.Drainer = fakeDrainer{err}
		res := exchange(t, New(o), request("POST", "/api/drain", `{"node":"b"}`))
		if got := fmt.Sprint(res.status, " ", res.body); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	if res := exchange(t, s, request("PUT", "/api/drain", "")); res.status != 405 || res.header.Get("Allow") != "POST, GET, HEAD, DELETE" {
		t.Errorf("%d, Allow: %q", res.status, res.header.Get("Allow"))
	}
}
