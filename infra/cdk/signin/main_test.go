package main

import (
	"testing"

	"github.com/todoku/todoku/shared/staff"
)

func TestParse(t *testing.T) {
	for name, args := range map[string][]string{
		"no table":      {"-url", "https://anzen.example.jp"},
		"one too many":  {"-table", "t", "-url", "https://anzen.example.jp", "school"},
		"unknown flag":  {"-tabel", "t"},
		"nothing given": nil,
		"no url":        {"-table", "t"},
		"no https":      {"-table", "t", "-url", "http://anzen.example.jp"},
	} {
		t.Run(name, func(t *testing.T) {
			var table string
			if _, err := parse(args, &table, t.Output()); err == nil {
				t.Error("no error")
			}
		})
	}
	var table string
	r, err := parse([]string{"-table", "t", "-url", "https://anzen.example.jp", "-for-district", "-school", "見本小学校"}, &table, t.Output())
	if err != nil || table != "t" || r.School.Name != "見本小学校" || r.School.Zone != "Asia/Tokyo" || r.Person.Role != staff.District {
		t.Errorf("parsed %q, %+v, %v", table, r, err)
	}
}
