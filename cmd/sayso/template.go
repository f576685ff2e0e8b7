package main

import (
	"context"
	"fmt"

	"sayso"
	"sayso/internal/clock"
	"sayso/owner/document"
	"sayso/owner/token"
	"sayso/protocol/chain"
)

type templateCmd struct {
	New newTemplateCmd `cmd:"" help:"Make a permission template that grants can follow."`
	End endTemplateCmd `cmd:"" help:"End a template: what followed it grants only what the chain says."`
}

type newTemplateCmd struct {
	remote
	Permissions []string `help:"Names or numbers, separated by commas." required:""`
	As          string   `help:"Name of the key; its account must hold a developer licence, as the key of an app does." default:"owner"`
}

// Help shows an example.
func (newTemplateCmd) Help() string {
	return "Example: sayso template new --permissions GetNonLocationHistory,GetRawData --as demo"
}

// Run writes the document of the template, gives it to the node and makes the
// template on chain.
func (c *newTemplateCmd) Run(ctx context.Context) error {
	set, err := token.ParseSet(c.Permissions)
	if err != nil {
		return sayso.Fail(sayso.Invalid, "template", err.Error())
	}
	d, err := c.open(ctx)
	if err != nil {
		return err
	}
	w, key, err := d.wallet(ctx, c.As, false)
	if err != nil {
		return err
	}
	form := document.Form{Owner: w.Address(), Asset: sayso.Account(d.at.ID, d.at.Vehicle), Permissions: set}
	data, err := form.Data()
	if err != nil {
		return err
	}
	source, err := d.keep(ctx, document.TypeTemplate, data, key)
	if err != nil {
		return err
	}
	cid, _ := document.ParseSource(source)
	id, err := w.NewTemplate(ctx, set, cid.String())
	if err != nil {
		return err
	}
	out := map[string]any{"template": id, "cid": cid.String()}
	return show(c.JSON, out, fmt.Sprintf("Template %s\nA grant follows it with: %s grant --vehicle 1 --to %s --document --template %s\n", id, program(), c.As, id))
}

type endTemplateCmd struct {
	remote
	Template string `arg:"" help:"Number of the template."`
	As       string `help:"Name of the key of its owner." default:"owner"`
}

// Help shows an example.
func (endTemplateCmd) Help() string { return "Example: sayso template end 1234 --as demo" }

// Run ends a template.
func (c *endTemplateCmd) Run(ctx context.Context) error {
	d, err := c.open(ctx)
	if err != nil {
		return err
	}
	w, _, err := d.wallet(ctx, c.As, false)
	if err != nil {
		return err
	}
	if err := w.EndTemplate(ctx, c.Template); err != nil {
		return err
	}
	if err := d.api.Await(ctx, w.Block()); err != nil {
		return err
	}
	return show(c.JSON, map[string]any{"template": c.Template}, "The template has ended.\n")
}

// keep signs the data of a document, gives it to the node and returns its source.
func (d *desk) keep(ctx context.Context, kind string, data []byte, key *chain.Key) (string, error) {
	sig, err := key.PersonalSign(data)
	if err != nil {
		return "", err
	}
	body, err := document.Envelope(kind, data, sig, clock.System{}.Now())
	if err != nil {
		return "", err
	}
	return d.api.KeepDocument(ctx, body)
}
