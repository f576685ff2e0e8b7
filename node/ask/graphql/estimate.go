package graphql

import (
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/vektah/gqlparser/v2/ast"
)

// estimateHeader asks what an operation would cost in place of its answer (spec
// api 2).
const estimateHeader = "X-Estimate-Cost"

// estimate is the extension that tells the cost of an operation. Credits are
// what a caller pays, of which this server takes none; the cost is what its
// limit and its gate go by.
type estimate struct {
	EstimatedCredits int64          `json:"estimatedCredits"`
	Message          string         `json:"message"`
	QueryBreakdown   []estimatePart `json:"queryBreakdown"`
}

type estimatePart struct {
	Field string `json:"field"`
	Cost  int64  `json:"cost"`
}

// estimates says whether a request asks for the cost alone.
func (s *Server) estimates(r *http.Request) bool {
	return s.cfg.Estimates && r.Header.Get(estimateHeader) == "true"
}

// estimate tells the cost of a valid operation. Nothing is read for it.
func (s *Server) estimate(w http.ResponseWriter, c *Call, op *ast.OperationDefinition) {
	root, out := s.types["Query"], estimate{QueryBreakdown: []estimatePart{}}
	total := int64(0)
	for _, f := range c.collect(root, []ast.SelectionSet{op.SelectionSet}) {
		cost := c.weigh(root, []*Field{f})
		out.QueryBreakdown = append(out.QueryBreakdown, estimatePart{f.Name, cost})
		total = min(total+cost, endless)
	}
	total += int64(c.values)
	out.Message = fmt.Sprintf("the operation costs %d of at most %d and no credits: this node charges nothing for answers", total, s.cfg.Limits.Cost)
	json.NewEncoder(w).Encode(map[string]any{"data": nil, "extensions": out})
}
