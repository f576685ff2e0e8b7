package watch

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"sayso"
	"sayso/internal/reply"
)

// maxBody is the longest body of a request, in bytes.
const maxBody = 1 << 20

// Mux is what routes are added to; [http.ServeMux] is one.
type Mux interface {
	Handle(pattern string, h http.Handler)
}

// call is a request of a licence, and what it is answered.
type call func(by Caller, r *http.Request) (status int, answer any, err error)

// Routes adds the interface of the webhooks (spec api 9.2). caller is whom a request
// proves; what it answers as an error is told.
func Routes(mux Mux, e *Engine, caller func(*http.Request) (Caller, error)) {
	for pattern, c := range map[string]call{
		"GET /v1/webhooks":                                e.list,
		"POST /v1/webhooks":                               e.create,
		"GET /v1/webhooks/signals":                        e.signals,
		"GET /v1/webhooks/{id}":                           e.assets,
		"PUT /v1/webhooks/{id}":                           e.update,
		"DELETE /v1/webhooks/{id}":                        e.delete,
		"POST /v1/webhooks/{id}/subscribe/{assetDID}":     e.subscribe,
		"POST /v1/webhooks/{id}/subscribe/list":           e.subscribeList,
		"POST /v1/webhooks/{id}/subscribe/all":            e.subscribeAll,
		"DELETE /v1/webhooks/{id}/unsubscribe/{assetDID}": e.unsubscribe,
		"DELETE /v1/webhooks/{id}/unsubscribe/list":       e.unsubscribeList,
		"DELETE /v1/webhooks/{id}/unsubscribe/all":        e.unsubscribeAll,
		"GET /v1/webhooks/vehicles/{assetDID}":            e.vehicle,
	} {
		mux.Handle(pattern, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			by, err := caller(r)
			status, answer := http.StatusOK, any(nil)
			if err == nil {
				status, answer, err = c(by, r)
			}
			if err != nil {
				reply.Error(w, err)
				return
			}
			reply.JSON(w, status, answer)
		}))
	}
}

// view is a webhook as its licence sees it.
type view struct {
	ID          string `json:"id"`
	Service     string `json:"service"`
	Metric      string `json:"metricName"`
	Condition   string `json:"condition"`
	Target      string `json:"targetURL"`
	CoolDown    int64  `json:"coolDownPeriod"`
	Status      string `json:"status"`
	Description string `json:"description"`
	Created     string `json:"createdAt"`
	Updated     string `json:"updatedAt"`
	Failures    int    `json:"failureCount"`
	Name        string `json:"displayName"`
}

func (e *Engine) list(by Caller, _ *http.Request) (int, any, error) {
	out := []view{}
	for _, h := range e.Hooks(by.Licence) {
		out = append(out, view{
			h.ID, h.Service, h.Metric, h.Condition, h.Target, h.CoolDown, h.Status, h.Description,
			h.Created.Format(time.RFC3339), h.Updated.Format(time.RFC3339), h.Failures, h.Name,
		})
	}
	return http.StatusOK, out, nil
}

type made struct {
	ID      string `json:"id"`
	Message string `json:"message"`
}

func (e *Engine) create(by Caller, r *http.Request) (int, any, error) {
	c, err := changeOf(r)
	if err != nil {
		return 0, nil, err
	}
	h, err := e.Create(r.Context(), by, c)
	return http.StatusCreated, made{h.ID, "Webhook registered successfully"}, err
}

func (e *Engine) update(by Caller, r *http.Request) (int, any, error) {
	c, err := changeOf(r)
	if err != nil {
		return 0, nil, err
	}
	h, err := e.Update(r.Context(), by, r.PathValue("id"), c)
	return http.StatusOK, made{h.ID, "Webhook updated successfully"}, err
}

// changeOf reads the body of a change; the published SDK puts it into a member
// "request".
func changeOf(r *http.Request) (Change, error) {
	var body struct {
		Change
		Request *Change `json:"request"`
	}
	if err := read(r, &body); err != nil {
		return Change{}, err
	}
	if body.Request != nil {
		return *body.Request, nil
	}
	return body.Change, nil
}

func read(r *http.Request, to any) error {
	text, err := io.ReadAll(http.MaxBytesReader(nil, r.Body, maxBody))
	var long *http.MaxBytesError
	switch {
	case errors.As(err, &long):
		return sayso.Fail(sayso.TooLarge, "watch", fmt.Sprintf("the body is longer than %d bytes", maxBody))
	case err != nil:
		return &sayso.Error{Op: "watch", Fault: sayso.Cancelled, Err: err}
	}
	if err := json.Unmarshal(text, to); err != nil {
		return invalid("the body is not what is expected: %v", err)
	}
	return nil
}

type message200 struct {
	Message string `json:"message"`
}

func (e *Engine) delete(by Caller, r *http.Request) (int, any, error) {
	return http.StatusOK, message200{"Webhook deleted successfully"}, e.Delete(by.Licence, r.PathValue("id"))
}

type signalView struct {
	Name        string   `json:"name"`
	Description string   `json:"description"`
	Unit        string   `json:"unit"`
	Type        string   `json:"valueType"`
	Permissions []string `json:"permissions"`
}

func (e *Engine) signals(Caller, *http.Request) (int, any, error) {
	out := []signalView{}
	for _, s := range listens(e.cfg.Catalogue) {
		v := signalView{s.Name, s.Description, s.Unit, valueType(s.Kind), []string{}}
		for _, p := range s.Need {
			v.Permissions = append(v.Permissions, p.String())
		}
		out = append(out, v)
	}
	return http.StatusOK, out, nil
}

// assets lists the vehicles that a webhook listens to.
func (e *Engine) assets(by Caller, r *http.Request) (int, any, error) {
	id := r.PathValue("id")
	if _, err := e.Hook(by.Licence, id); err != nil {
		return 0, nil, err
	}
	out := []string{}
	for _, sub := range e.Subscribed(by.Licence, func(s *Subscription) bool { return s.Hook == id }) {
		out = append(out, e.asset(sub.Vehicle))
	}
	return http.StatusOK, out, nil
}

type subscriptionView struct {
	Hook        string `json:"webhookId"`
	Asset       string `json:"assetDid"`
	Created     string `json:"createdAt"`
	Description string `json:"description"`
}

// vehicle lists what of a licence listens to a vehicle.
func (e *Engine) vehicle(by Caller, r *http.Request) (int, any, error) {
	v, err := e.vehicleOf(r.PathValue("assetDID"))
	if err != nil {
		return 0, nil, err
	}
	out := []subscriptionView{}
	for _, sub := range e.Subscribed(by.Licence, func(s *Subscription) bool { return s.Vehicle == v }) {
		h, err := e.Hook(by.Licence, sub.Hook)
		if err == nil {
			out = append(out, subscriptionView{sub.Hook, e.asset(v), sub.Created.Format(time.RFC3339), h.Description})
		}
	}
	return http.StatusOK, out, nil
}

func (e *Engine) vehicleOf(text string) (uint64, error) {
	did, err := sayso.ParseDID(text)
	if err != nil {
		return 0, invalid("Invalid asset DID: %v", err)
	}
	v, ok := did.Is(e.cfg.Chain.ID, e.cfg.Chain.Vehicle)
	if !ok {
		return 0, invalid("Invalid asset DID: %s is no vehicle of this node's chain", text)
	}
	return v, nil
}

func (e *Engine) subscribe(by Caller, r *http.Request) (int, any, error) {
	v, err := e.vehicleOf(r.PathValue("assetDID"))
	if err != nil {
		return 0, nil, err
	}
	refused, err := e.Subscribe(by, r.PathValue("id"), []uint64{v})
	if why, ok := refused[v]; ok {
		fault := sayso.Denied
		if why == alreadySubscribed {
			fault = sayso.Invalid
		}
		err = sayso.Fail(fault, "watch.subscribe", why)
	}
	return http.StatusCreated, message200{"Vehicle assigned to webhook successfully"}, err
}

// failed is a vehicle that was not subscribed to.
type failed struct {
	Asset   string `json:"assetDid"`
	Message string `json:"message"`
}

func (e *Engine) vehiclesOf(r *http.Request) (vehicles []uint64, bad []failed, err error) {
	var body struct {
		Assets []string `json:"assetDIDs"`
	}
	if err := read(r, &body); err != nil {
		return nil, nil, err
	}
	seen := map[uint64]bool{}
	for _, text := range body.Assets {
		v, err := e.vehicleOf(text)
		if err != nil {
			bad = append(bad, failed{text, sayso.MessageOf(err)})
		} else if !seen[v] {
			seen[v] = true
			vehicles = append(vehicles, v)
		}
	}
	if len(body.Assets) == 0 {
		return nil, nil, invalid("assetDIDs is missing")
	}
	return vehicles, bad, nil
}

func (e *Engine) subscribeList(by Caller, r *http.Request) (int, any, error) {
	vehicles, bad, err := e.vehiclesOf(r)
	if err != nil {
		return 0, nil, err
	}
	if bad == nil {
		refused, err := e.Subscribe(by, r.PathValue("id"), vehicles)
		if err != nil {
			return 0, nil, err
		}
		for _, v := range vehicles {
			if why, ok := refused[v]; ok {
				bad = append(bad, failed{e.asset(v), why})
			}
		}
	}
	if bad != nil {
		return http.StatusBadRequest, map[string]any{"code": http.StatusBadRequest, "message": "nothing was subscribed to", "failedSubscriptions": bad}, nil
	}
	return http.StatusCreated, message200{fmt.Sprintf("Subscribed %d assets", len(vehicles))}, nil
}

func (e *Engine) subscribeAll(by Caller, r *http.Request) (int, any, error) {
	id := r.PathValue("id")
	vehicles, err := e.shared(by, id)
	if err == nil {
		_, err = e.Subscribe(by, id, vehicles)
	}
	return http.StatusCreated, message200{fmt.Sprintf("Subscribed %d assets", len(vehicles))}, err
}

func (e *Engine) unsubscribe(by Caller, r *http.Request) (int, any, error) {
	v, err := e.vehicleOf(r.PathValue("assetDID"))
	if err != nil {
		return 0, nil, err
	}
	n, err := e.Unsubscribe(by.Licence, r.PathValue("id"), []uint64{v})
	if err == nil && n == 0 {
		err = sayso.Fail(sayso.NotFound, "watch.unsubscribe", "the webhook does not listen to this vehicle")
	}
	return http.StatusOK, message200{"Vehicle removed from webhook successfully"}, err
}

func (e *Engine) unsubscribeList(by Caller, r *http.Request) (int, any, error) {
	vehicles, bad, err := e.vehiclesOf(r)
	if err == nil && bad != nil {
		err = invalid("%s", bad[0].Message)
	}
	if err != nil {
		return 0, nil, err
	}
	n, err := e.Unsubscribe(by.Licence, r.PathValue("id"), vehicles)
	return http.StatusOK, message200{fmt.Sprintf("Unsubscribed %d assets", n)}, err
}

func (e *Engine) unsubscribeAll(by Caller, r *http.Request) (int, any, error) {
	n, err := e.Unsubscribe(by.Licence, r.PathValue("id"), nil)
	return http.StatusOK, message200{fmt.Sprintf("Unsubscribed %d assets", n)}, err
}
