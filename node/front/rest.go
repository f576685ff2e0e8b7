package front

import "sayso/node/ask"

// rest answers about vehicles without GraphQL: trips and valuations.
func (f *Front) rest(cfg ask.Config) error {
	handlers, err := ask.NewREST(cfg)
	if err != nil {
		return err
	}
	for pattern, h := range handlers {
		f.Handle(pattern, h)
	}
	return nil
}
