package graphql

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
	"github.com/vektah/gqlparser/v2/parser"
	"github.com/vektah/gqlparser/v2/validator"
	"github.com/vektah/gqlparser/v2/validator/rules"
)

// At most so many errors are told, none longer than so many bytes.
const (
	maxErrors  = 10
	maxMessage = 500
)

// ruleSets are the rules of the GraphQL specification in two forms: one that
// says what a wrong name may have been meant to be, which takes long where much
// is wrong, and one that does not.
type ruleSets struct{ plain, helpful []validator.Rule }

func newRuleSets() ruleSets {
	helpful := rules.NewDefaultRules()
	plain := rules.NewDefaultRules()
	for name, r := range map[string]validator.Rule{
		rules.FieldsOnCorrectTypeRule.Name: rules.FieldsOnCorrectTypeRuleWithoutSuggestions,
		rules.KnownArgumentNamesRule.Name:  rules.KnownArgumentNamesRuleWithoutSuggestions,
		rules.KnownTypeNamesRule.Name:      rules.KnownTypeNamesRuleWithoutSuggestions,
		rules.ScalarLeafsRule.Name:         rules.ScalarLeafsRuleWithoutSuggestions,
		rules.ValuesOfCorrectTypeRule.Name: rules.ValuesOfCorrectTypeRuleWithoutSuggestions,
	} {
		plain.ReplaceRule(name, r.RuleFunc)
	}
	return ruleSets{sorted(plain), sorted(helpful)}
}

// sorted gives rules by name, so that errors have one order. There is one root,
// so that what the rule for subscriptions looks for cannot be.
func sorted(set *rules.Rules) []validator.Rule {
	var list []validator.Rule
	for name, f := range set.GetInner() {
		if name != rules.SingleFieldSubscriptionsRule.Name {
			list = append(list, validator.Rule{Name: name, RuleFunc: f})
		}
	}
	slices.SortFunc(list, func(a, b validator.Rule) int { return cmp.Compare(a.Name, b.Name) })
	return list
}

// validate gives the first errors, with suggestions where few are wrong.
func (s *Server) validate(doc *ast.QueryDocument) gqlerror.List {
	errs := s.walk(doc, s.rules.plain)
	if n := len(errs); 0 < n && n <= 3 {
		errs = s.walk(doc, s.rules.helpful)
	}
	for _, e := range errs {
		e.Message = shortened(e.Message)
		setCode(e, validationFailed)
	}
	return errs
}

func (s *Server) walk(doc *ast.QueryDocument, list []validator.Rule) (errs gqlerror.List) {
	events := &validator.Events{}
	for _, rule := range list {
		rule.RuleFunc(events, func(options ...validator.ErrorOption) {
			if len(errs) == maxErrors {
				return
			}
			e := &gqlerror.Error{Rule: rule.Name}
			for _, o := range options {
				o(e)
			}
			errs = append(errs, e)
		})
	}
	validator.Walk(s.schema, doc, events)
	return errs
}

func shortened(message string) string {
	if len(message) <= maxMessage {
		return message
	}
	return strings.ToValidUTF8(message[:maxMessage], "") + "..."
}

// prepare parses, checks and validates. A query that was found valid before is
// remembered.
func (s *Server) prepare(p *params) (*ast.OperationDefinition, map[string]any, gqlerror.List) {
	if p.Query == "" && p.Extensions.PersistedQuery != nil {
		return nil, nil, gqlerror.List{gqlerrorf("PERSISTED_QUERY_NOT_SUPPORTED", "PersistedQueryNotSupported")}
	}
	doc := s.cache.get(p.Query)
	known := doc != nil
	if !known {
		var err *gqlerror.Error
		if doc, err = s.parse(p.Query); err != nil {
			return nil, nil, gqlerror.List{err}
		}
	}
	op := doc.Operations.ForName(p.OperationName)
	if limit := s.cfg.Limits.Complexity; op != nil && limit > 0 {
		if n := complexity(doc, op); n > limit {
			return nil, nil, gqlerror.List{gqlerrorf(tooComplex, "operation has complexity %d, which exceeds the limit of %d", n, limit)}
		}
	}
	if !known {
		if errs := s.validate(doc); len(errs) > 0 {
			return nil, nil, errs
		}
		s.cache.put(p.Query, doc)
	}
	switch {
	case op == nil && p.OperationName == "":
		return nil, nil, gqlerror.List{gqlerrorf(validationFailed, "name the operation to run: the query has several")}
	case op == nil:
		return nil, nil, gqlerror.List{gqlerrorf(validationFailed, "operation %s not found", p.OperationName)}
	case op.Operation != ast.Query:
		return nil, nil, gqlerror.List{gqlerrorf(validationFailed, "only queries are served")}
	case nested(p.Variables) > s.cfg.Limits.Nesting+1:
		return nil, nil, gqlerror.List{tooMuch("nested values in its variables", s.cfg.Limits.Nesting)}
	}
	variables, err := validator.VariableValues(s.schema, op, p.Variables)
	if err != nil {
		return nil, nil, gqlerror.List{coded(err, validationFailed)}
	}
	return op, variables, nil
}

// nested is how deep lists and objects lie within each other.
func nested(v any) int {
	deepest := 0
	switch v := v.(type) {
	case map[string]any:
		for _, e := range v {
			deepest = max(deepest, nested(e))
		}
	case []any:
		for _, e := range v {
			deepest = max(deepest, nested(e))
		}
	default:
		return 0
	}
	return deepest + 1
}

// parse reads a text that is not longer than the limits allow.
func (s *Server) parse(text string) (*ast.QueryDocument, *gqlerror.Error) {
	doc, err := parser.ParseQueryWithTokenLimit(&ast.Source{Input: text}, s.cfg.Limits.Tokens)
	if err != nil {
		return nil, coded(err, parseFailed)
	}
	if len(doc.Operations) == 0 {
		return nil, gqlerrorf(validationFailed, "no operation provided")
	}
	if err := s.cfg.Limits.check(doc); err != nil {
		return nil, err
	}
	return doc, nil
}

func gqlerrorf(code, format string, args ...any) *gqlerror.Error {
	e := &gqlerror.Error{Message: shortened(fmt.Sprintf(format, args...))}
	setCode(e, code)
	return e
}

func coded(err error, code string) *gqlerror.Error {
	var e *gqlerror.Error
	if !errors.As(err, &e) {
		e = gqlerror.Wrap(err)
	}
	e.Message = shortened(e.Message)
	setCode(e, code)
	return e
}

func setCode(e *gqlerror.Error, code string) {
	if e.Extensions == nil {
		e.Extensions = map[string]any{}
	}
	e.Extensions["code"] = code
}
