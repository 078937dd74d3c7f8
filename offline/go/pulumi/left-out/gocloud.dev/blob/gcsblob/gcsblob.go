// Package gcsblob is left out: the sandbox's state is in PostgreSQL.
package gcsblob

const Scheme = "gs"
