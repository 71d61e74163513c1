/* SPDX-License-Identifier: Apache-2.0 */
/* The only user of libyaml. */
#include "source/kubeconfig.h"

#include "base/cleanup.h"
#include "source/base64.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <yaml.h>

struct reader {
	yaml_document_t *document;
	const char *directory;
	char *error;
	size_t error_size;
};

__attribute__((format(printf, 2, 3))) static int fail(const struct reader *reader,
						      const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(reader->error, reader->error_size, format, args);
	va_end(args);
	return -EINVAL;
}

static const char *scalar(const yaml_node_t *node)
{
	return node && node->type == YAML_SCALAR_NODE ? (const char *)node->data.scalar.value
						      : NULL;
}

/* A member of a mapping; NULL if there is none, or if it is not a mapping. */
static yaml_node_t *member(const struct reader *reader, const yaml_node_t *mapping, const char *key)
{
	if (!mapping || mapping->type != YAML_MAPPING_NODE)
		return NULL;
	for (yaml_node_pair_t *pair = mapping->data.mapping.pairs.start;
	     pair < mapping->data.mapping.pairs.top; pair++) {
		const char *name = scalar(yaml_document_get_node(reader->document, pair->key));

		if (name && strcmp(name, key) == 0)
			return yaml_document_get_node(reader->document, pair->value);
	}
	return NULL;
}

/* A string that is not empty and not null, else NULL. */
static const char *string(const struct reader *reader, const yaml_node_t *mapping, const char *key)
{
	const char *text = scalar(member(reader, mapping, key));

	return text && *text && strcmp(text, "null") != 0 && strcmp(text, "~") != 0 ? text : NULL;
}

/* The element of a list whose name is this one. */
static yaml_node_t *named(const struct reader *reader, const char *list_key, const char *name)
{
	const yaml_node_t *list =
		member(reader, yaml_document_get_root_node(reader->document), list_key);

	if (!list || list->type != YAML_SEQUENCE_NODE)
		return NULL;
	for (yaml_node_item_t *item = list->data.sequence.items.start;
	     item < list->data.sequence.items.top; item++) {
		yaml_node_t *node = yaml_document_get_node(reader->document, *item);
		const char *found = string(reader, node, "name");

		if (found && strcmp(found, name) == 0)
			return node;
	}
	return NULL;
}

static int copy_string(const struct reader *reader, const yaml_node_t *mapping, const char *key,
		       char **ret)
{
	const char *text = string(reader, mapping, key);

	*ret = text ? strdup(text) : NULL;
	return text && !*ret ? -ENOMEM : 0;
}

/* A path, made relative to the directory of the kubeconfig. */
static int copy_path(const struct reader *reader, const yaml_node_t *mapping, const char *key,
		     char **ret)
{
	const char *text = string(reader, mapping, key);

	if (!text || *text == '/' || !reader->directory)
		return copy_string(reader, mapping, key, ret);
	if (asprintf(ret, "%s/%s", reader->directory, text) < 0) {
		*ret = NULL;
		return -ENOMEM;
	}
	return 0;
}

/* "KEY-data" in base64, and "KEY", a file. */
static int copy_pem(const struct reader *reader, const yaml_node_t *mapping, const char *key,
		    char **ret_text, char **ret_file)
{
	char data_key[64];
	const char *data;
	int r;

	snprintf(data_key, sizeof(data_key), "%s-data", key);
	data = string(reader, mapping, data_key);
	r = data ? base64_decode(data, ret_text) : copy_path(reader, mapping, key, ret_file);
	return r == -EINVAL ? fail(reader, "%s is no base64", data_key) : r;
}

static int read_cluster(const struct reader *reader, const yaml_node_t *cluster,
			struct kubeconfig *config)
{
	const char *insecure = string(reader, cluster, "insecure-skip-tls-verify");
	int r = copy_string(reader, cluster, "server", &config->server);

	if (r == 0)
		r = copy_string(reader, cluster, "tls-server-name", &config->server_name);
	if (r == 0)
		r = copy_pem(reader, cluster, "certificate-authority", &config->ca_text,
			     &config->ca_file);
	if (r < 0)
		return r;
	if (!config->server)
		return fail(reader, "the cluster has no server");
	if (string(reader, cluster, "proxy-url"))
		return fail(reader, "proxy-url is not supported");
	config->insecure = insecure && strcmp(insecure, "true") == 0;
	if (config->insecure && (config->ca_text || config->ca_file))
		return fail(reader,
			    "insecure-skip-tls-verify and certificate-authority exclude each "
			    "other");
	return 0;
}

static int check_user(const struct reader *reader, const yaml_node_t *user,
		      const struct kubeconfig *config)
{
	static const char *const unsupported[] = {"exec", "auth-provider", "username"};
	bool has_cert = config->cert_file || config->cert_text;
	bool has_key = config->key_file || config->key_text;

	if (has_cert != has_key)
		return fail(reader, "the user has a client certificate without a key, or a key "
				    "without a certificate");
	if (has_cert || config->token || config->token_file)
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(unsupported); i++) {
		if (member(reader, user, unsupported[i]))
			return fail(
				reader,
				"the user logs in by %s, which is not supported: use a token, a "
				"tokenFile or a client certificate",
				unsupported[i]);
	}
	return 0;
}

static int read_user(const struct reader *reader, const yaml_node_t *user,
		     struct kubeconfig *config)
{
	int r = copy_string(reader, user, "token", &config->token);

	if (r == 0)
		r = copy_path(reader, user, "tokenFile", &config->token_file);
	if (r == 0)
		r = copy_pem(reader, user, "client-certificate", &config->cert_text,
			     &config->cert_file);
	if (r == 0)
		r = copy_pem(reader, user, "client-key", &config->key_text, &config->key_file);
	return r < 0 ? r : check_user(reader, user, config);
}

static int read_context(const struct reader *reader, struct kubeconfig *config)
{
	const yaml_node_t *root = yaml_document_get_root_node(reader->document);
	const char *name = string(reader, root, "current-context");
	const yaml_node_t *context;
	const yaml_node_t *cluster;
	const char *cluster_name;
	const char *user_name;
	int r;

	if (!name)
		return fail(reader, "there is no current-context");
	context = member(reader, named(reader, "contexts", name), "context");
	if (!context)
		return fail(reader, "there is no context \"%s\"", name);
	cluster_name = string(reader, context, "cluster");
	user_name = string(reader, context, "user");
	cluster = cluster_name ? named(reader, "clusters", cluster_name) : NULL;
	if (!cluster)
		return fail(reader, "context \"%s\": its cluster is not there", name);
	if (user_name && !named(reader, "users", user_name))
		return fail(reader, "context \"%s\": there is no user \"%s\"", name, user_name);
	r = read_cluster(reader, member(reader, cluster, "cluster"), config);
	if (r < 0 || !user_name)
		return r;
	return read_user(reader, member(reader, named(reader, "users", user_name), "user"), config);
}

static int load(yaml_parser_t *parser, yaml_document_t *document, const struct reader *reader)
{
	int r;

	if (!yaml_parser_load(parser, document)) {
		if (parser->error == YAML_MEMORY_ERROR)
			return -ENOMEM;
		return fail(reader, "line %zu: %s", parser->problem_mark.line + 1,
			    parser->problem ? parser->problem : "no YAML");
	}
	r = yaml_document_get_root_node(document) ? 0 : fail(reader, "it is empty");
	if (r < 0)
		yaml_document_delete(document);
	return r;
}

int kubeconfig_parse(const char *text, size_t size, const char *directory, struct kubeconfig *ret,
		     char *error, size_t error_size)
{
	_cleanup_(kubeconfig_done) struct kubeconfig config = {};
	yaml_parser_t parser;
	yaml_document_t document;
	struct reader reader = {&document, directory, error, error_size};
	int r;

	if (!yaml_parser_initialize(&parser))
		return -ENOMEM;
	yaml_parser_set_input_string(&parser, (const unsigned char *)text, size);
	r = load(&parser, &document, &reader);
	if (r == 0) {
		r = read_context(&reader, &config);
		yaml_document_delete(&document);
	}
	yaml_parser_delete(&parser);
	if (r < 0)
		return r;
	*ret = config;
	config = (struct kubeconfig){};
	return 0;
}

static void free_secret(char **secret)
{
	if (*secret)
		explicit_bzero(*secret, strlen(*secret));
	free(TAKE_PTR(*secret));
}

void kubeconfig_done(struct kubeconfig *config)
{
	free_secret(&config->token);
	free_secret(&config->key_text);
	free(config->server);
	free(config->server_name);
	free(config->ca_file);
	free(config->ca_text);
	free(config->cert_file);
	free(config->cert_text);
	free(config->key_file);
	free(config->token_file);
	*config = (struct kubeconfig){};
}
