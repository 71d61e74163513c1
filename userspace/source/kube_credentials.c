/* SPDX-License-Identifier: Apache-2.0 */
#include "source/kube_credentials.h"

#include "base/cleanup.h"
#include "source/file_read.h"
#include "source/kubeconfig.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define ACCOUNT_DIRECTORY "/var/run/secrets/kubernetes.io/serviceaccount"

enum { FILE_MAX = 1024 * 1024 };

struct kube_credentials {
	struct kubeconfig config;
};

__attribute__((format(printf, 4, 5))) static int fail(int err, char *error, size_t size,
						      const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(error, size, format, args);
	va_end(args);
	return err;
}

static void wipe(char **text)
{
	if (*text)
		explicit_bzero(*text, strlen(*text));
	free(TAKE_PTR(*text));
}

/* The text of a file as a string. */
static int read_text(const char *path, char **ret)
{
	_cleanup_(wipe) char *text = NULL;
	size_t size;
	int r = file_read(path, FILE_MAX, &text, &size);

	if (r < 0)
		return r;
	text[size] = '\0'; /* there is room for it */
	*ret = TAKE_PTR(text);
	return 0;
}

static void cut_space(char *text)
{
	size_t len = strlen(text);

	while (len > 0 && strchr(" \t\r\n", text[len - 1]))
		text[--len] = '\0';
}

static bool has_control_character(const char *text)
{
	for (; *text; text++) {
		if ((unsigned char)*text <= ' ' || *text == 0x7f)
			return true;
	}
	return false;
}

/* A token with a newline in it would end the header that it is sent in. */
static int read_token(struct kubeconfig *config)
{
	_cleanup_(wipe) char *token = NULL;
	int r = read_text(config->token_file, &token);

	if (r < 0)
		return r;
	cut_space(token);
	if (!*token || has_control_character(token))
		return -EBADMSG;
	wipe(&config->token);
	config->token = TAKE_PTR(token);
	return 0;
}

static int join(char **ret, const char *directory, const char *name)
{
	if (asprintf(ret, "%s/%s", directory, name) < 0) {
		*ret = NULL;
		return -ENOMEM;
	}
	return 0;
}

static int pod_server(const struct kube_credentials_config *from, char **ret)
{
	bool is_v6 = strchr(from->host, ':');

	if (asprintf(ret, "https://%s%s%s:%s", is_v6 ? "[" : "", from->host, is_v6 ? "]" : "",
		     from->port && *from->port ? from->port : "443") < 0) {
		*ret = NULL;
		return -ENOMEM;
	}
	return 0;
}

static int load_pod(const struct kube_credentials_config *from, struct kubeconfig *config)
{
	const char *directory = from->directory ? from->directory : ACCOUNT_DIRECTORY;
	int r = pod_server(from, &config->server);

	if (r == 0)
		r = join(&config->token_file, directory, "token");
	return r < 0 ? r : join(&config->ca_file, directory, "ca.crt");
}

static int load_kubeconfig(const char *path, struct kubeconfig *config, char *error, size_t size)
{
	_cleanup_(wipe) char *text = NULL;
	_cleanup_free_ char *directory = NULL;
	const char *slash = strrchr(path, '/');
	char why[256];
	int r = read_text(path, &text);

	if (r < 0)
		return fail(r, error, size, "kubeconfig \"%s\": %s", path, strerror(-r));
	if (slash) {
		directory = strndup(path, slash == path ? 1 : (size_t)(slash - path));
		if (!directory)
			return -ENOMEM;
	}
	r = kubeconfig_parse(text, strlen(text), directory, config, why, sizeof(why));
	return r == -EINVAL ? fail(r, error, size, "kubeconfig \"%s\": %s", path, why) : r;
}

static int load(const struct kube_credentials_config *from, struct kubeconfig *config, char *error,
		size_t size)
{
	if (from->kubeconfig)
		return load_kubeconfig(from->kubeconfig, config, error, size);
	if (from->host && *from->host)
		return load_pod(from, config);
	if (!from->api_server)
		return fail(
			-EINVAL, error, size,
			"there are no credentials: this is not a pod (KUBERNETES_SERVICE_HOST is "
			"not set), and no --kubeconfig is given");
	return 0;
}

static bool has_scheme(const char *server)
{
	return strncmp(server, "https://", 8) == 0 || strncmp(server, "http://", 7) == 0;
}

static bool is_in_the_clear(const char *server)
{
	static const char *const local[] = {"http://127.", "http://[::1]", "http://localhost:"};

	for (size_t i = 0; i < ARRAY_SIZE(local); i++) {
		if (strncmp(server, local[i], strlen(local[i])) == 0)
			return false;
	}
	return strncmp(server, "http://", 7) == 0;
}

/* Takes over --api-server, and brings the URL into one form. */
static int set_server(const char *api_server, struct kubeconfig *config, char *error, size_t size)
{
	const char *server = api_server ? api_server : config->server;
	char *copy = NULL;
	size_t len;

	if (!server)
		return fail(-EINVAL, error, size, "no address of the API server is known");
	if (asprintf(&copy, "%s%s", has_scheme(server) ? "" : "https://", server) < 0)
		return -ENOMEM;
	len = strlen(copy);
	while (len > 0 && copy[len - 1] == '/')
		copy[--len] = '\0';
	free(config->server);
	config->server = copy;
	if (has_control_character(copy) || strpbrk(copy, "?#@"))
		return fail(-EINVAL, error, size,
			    "the address of the API server is not of the form https://HOST[:PORT]");
	if (is_in_the_clear(copy) && (config->token || config->token_file))
		return fail(
			-EINVAL, error, size,
			"the API server \"%s\" is not https: the token would be sent in the clear",
			copy);
	return 0;
}

/* Readable files are what goes wrong most; better now than at each request. */
static int check_files(struct kubeconfig *config, char *error, size_t size)
{
	const char *const files[] = {config->ca_file, config->cert_file, config->key_file};
	int r;

	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		_cleanup_(wipe) char *text = NULL;

		r = files[i] ? read_text(files[i], &text) : 0;
		if (r < 0)
			return fail(r, error, size, "\"%s\": %s", files[i], strerror(-r));
	}
	if (config->token && has_control_character(config->token))
		return fail(-EBADMSG, error, size,
			    "the token has spaces or control characters in it");
	r = config->token_file ? read_token(config) : 0;
	if (r == -EBADMSG)
		return fail(r, error, size, "\"%s\": is not a token", config->token_file);
	if (r < 0)
		return fail(r, error, size, "\"%s\": %s", config->token_file, strerror(-r));
	return 0;
}

static void cleanup_credentials(struct kube_credentials **credentials)
{
	kube_credentials_free(*credentials);
}

int kube_credentials_new(const struct kube_credentials_config *config,
			 struct kube_credentials **ret, char *error, size_t error_size)
{
	_cleanup_(cleanup_credentials) struct kube_credentials *credentials =
		calloc(1, sizeof(*credentials));
	int r;

	snprintf(error, error_size, "out of memory");
	if (!credentials)
		return -ENOMEM;
	r = load(config, &credentials->config, error, error_size);
	if (r == 0)
		r = set_server(config->api_server, &credentials->config, error, error_size);
	if (r == 0)
		r = check_files(&credentials->config, error, error_size);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(credentials);
	return 0;
}

void kube_credentials_free(struct kube_credentials *credentials)
{
	if (!credentials)
		return;
	kubeconfig_done(&credentials->config);
	free(credentials);
}

const char *kube_credentials_server(const struct kube_credentials *credentials)
{
	return credentials->config.server;
}

struct http_tls kube_credentials_tls(const struct kube_credentials *credentials)
{
	const struct kubeconfig *config = &credentials->config;

	return (struct http_tls){
		.ca_file = config->ca_file,
		.ca_text = config->ca_text,
		.cert_file = config->cert_file,
		.cert_text = config->cert_text,
		.key_file = config->key_file,
		.key_text = config->key_text,
		.server_name = config->server_name,
		.insecure = config->insecure,
	};
}

const char *kube_credentials_token(struct kube_credentials *credentials)
{
	struct kubeconfig *config = &credentials->config;

	if (config->token_file)
		read_token(config);
	return config->token;
}
