package ask

import "net/http"

// unpriced is why nothing is valued.
const unpriced = "this node has no prices of vehicles: none has been loaded"

// valuations answers that nothing is known of what the vehicle is worth, and
// why.
func valuations(*http.Request, *reader) (any, error) {
	return map[string]any{"valuationSets": []any{}, "reason": unpriced}, nil
}

// offers answers that nobody offers anything for the vehicle, and why.
func offers(*http.Request, *reader) (any, error) {
	return map[string]any{"offerSets": []any{}, "reason": unpriced}, nil
}
