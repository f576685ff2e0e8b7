package shelf

import (
	"errors"
	"io"
	"net/http"

	"sayso"
	"sayso/internal/reply"
	"sayso/owner/document"
)

// Mux is what routes are added to; [http.ServeMux] is one.
type Mux interface {
	Handle(pattern string, h http.Handler)
}

// Routes adds the ways to bring and to get documents. The caller of a request is
// the account that its token names; the zero address is nobody.
//
//   - POST /v1/documents: the bytes of a signed document. The signature says who
//     speaks, so no token is needed. 201 with {cid, source}, or 200 where the
//     document was here already.
//   - GET /v1/documents/{cid} and /ipfs/{cid}: the bytes, for the two whom the
//     document names; a template for everybody. Whoever may not read it is told
//     that it is not here.
func Routes(mux Mux, s *Shelf, caller func(*http.Request) (sayso.Address, error)) {
	get := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		who, err := caller(r)
		if err == nil {
			err = s.serve(w, r, who)
		}
		if err != nil {
			reply.Error(w, err)
		}
	})
	mux.Handle("GET /v1/documents/{cid}", get)
	mux.Handle("GET /ipfs/{cid}", get)
	mux.Handle("POST /v1/documents", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := s.accept(w, r); err != nil {
			reply.Error(w, err)
		}
	}))
}

func (s *Shelf) serve(w http.ResponseWriter, r *http.Request, who sayso.Address) error {
	c, err := document.ParseCID(r.PathValue("cid"))
	if err != nil {
		return sayso.Fail(sayso.Invalid, "shelf.serve", err.Error())
	}
	body, d, err := s.Get(r.Context(), c)
	if err != nil {
		return err
	}
	if d.Type != document.TypeTemplate && (who.IsZero() || who != d.Grantor && who != d.Grantee) {
		return errAbsent
	}
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "private, max-age=31536000, immutable")
	h.Set("ETag", `"`+c.String()+`"`)
	h.Set("X-Content-Type-Options", "nosniff")
	w.Write(body)
	return nil
}

func (s *Shelf) accept(w http.ResponseWriter, r *http.Request) error {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, document.MaxBytes))
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return sayso.Fail(sayso.TooLarge, "shelf.accept", "a document has at most 65536 bytes")
	case err != nil:
		return sayso.Fail(sayso.Invalid, "shelf.accept", "the document broke off")
	}
	c, fresh, err := s.Put(r.Context(), body)
	if err != nil {
		return err
	}
	status := http.StatusOK
	if fresh {
		status = http.StatusCreated
	}
	reply.JSON(w, status, map[string]string{"cid": c.String(), "source": c.Source()})
	return nil
}
