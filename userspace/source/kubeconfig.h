/* SPDX-License-Identifier: Apache-2.0 */
/* A kubeconfig file: how kubectl and others find the API server and who they are. Pure. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* What the current context says. Owns its strings; NULL: not set. */
struct kubeconfig {
	char *server;
	char *server_name;
	char *ca_file, *ca_text;
	char *cert_file, *cert_text;
	char *key_file, *key_text;
	char *token, *token_file;
	bool insecure;
};

/*
 * Parses a text. Files that it names are relative to `directory`. Ways to log in that are not
 * supported (exec, auth-provider, passwords) are errors, unless there is another one. Returns 0, or
 * -EINVAL with a few words in error, -ENOMEM.
 */
int kubeconfig_parse(const char *text, size_t size, const char *directory, struct kubeconfig *ret,
		     char *error, size_t error_size);

void kubeconfig_done(struct kubeconfig *config);
