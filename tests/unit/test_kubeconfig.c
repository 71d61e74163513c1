/* SPDX-License-Identifier: Apache-2.0 */
#include "source/base64.h"
#include "source/kube_credentials.h"
#include "source/kubeconfig.h"

#include "base/cleanup.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* "- name: c" and so on, with what is in the cluster and in the user. */
#define CONFIG(cluster, user)                                                            \
	"apiVersion: v1\nkind: Config\ncurrent-context: x\ncontexts:\n- name: other\n"   \
	"  context: {cluster: nothing, user: nobody}\n- name: x\n  context:\n"           \
	"    cluster: c\n    user: u\n    namespace: z\nclusters:\n- name: b\n"          \
	"  cluster: {server: https://wrong}\n- name: c\n  cluster:\n" cluster "users:\n" \
	"- name: u\n  user:\n" user
#define SERVER "    server: https://10.0.0.1:6443\n"
#define TOKEN  "    token: secret\n"

static int parse(const char *text, struct kubeconfig *config, char error[static 256])
{
	snprintf(error, 256, "nothing");
	return kubeconfig_parse(text, strlen(text), "/etc/kube", config, error, 256);
}

static void test_good(void **state)
{
	static const char text[] = CONFIG(SERVER "    certificate-authority-data: Q0EK\n"
						 "    tls-server-name: kubernetes\n",
					  "    client-certificate: cert.pem\n"
					  "    client-key: /abs/key.pem\n"
					  "    tokenFile: token\n");
	struct kubeconfig config;
	char error[256];

	(void)state;
	assert_int_equal(parse(text, &config, error), 0);
	assert_string_equal(config.server, "https://10.0.0.1:6443");
	assert_string_equal(config.server_name, "kubernetes");
	assert_string_equal(config.ca_text, "CA\n");
	assert_null(config.ca_file);
	assert_string_equal(config.cert_file, "/etc/kube/cert.pem");
	assert_string_equal(config.key_file, "/abs/key.pem");
	assert_string_equal(config.token_file, "/etc/kube/token");
	assert_null(config.token);
	assert_false(config.insecure);
	kubeconfig_done(&config);
	assert_null(config.server);
}

static void test_other_forms(void **state)
{
	struct kubeconfig config;
	char error[256];

	(void)state;
	/* JSON is YAML. */
	assert_int_equal(
		parse("{\"current-context\":\"x\",\"contexts\":[{\"name\":\"x\",\"context\":{"
		      "\"cluster\":\"c\",\"user\":\"u\"}}],\"clusters\":[{\"name\":\"c\",\"cluster\":"
		      "{\"server\":\"https://h\",\"insecure-skip-tls-verify\":true}}],\"users\":[{"
		      "\"name\":\"u\",\"user\":{\"token\":\"secret\"}}]}",
		      &config, error),
		0);
	assert_string_equal(config.token, "secret");
	assert_true(config.insecure);
	kubeconfig_done(&config);
	/* A user that does not log in, and one that has another way besides exec. */
	assert_int_equal(parse(CONFIG(SERVER, "    {}\n"), &config, error), 0);
	kubeconfig_done(&config);
	assert_int_equal(parse(CONFIG(SERVER, TOKEN "    exec: {command: x}\n"), &config, error),
			 0);
	kubeconfig_done(&config);
}

static void test_bad(void **state)
{
	static const struct {
		const char *text;
		const char *error; /* part of it */
	} rows[] = {
		{"", "empty"},
		{"a: [", "line "},
		{"- a\n- b\n", "no current-context"},
		{"current-context: y\n", "no context \"y\""},
		{"current-context: y\ncontexts: [{name: y}]\n", "no context \"y\""},
		{"current-context: y\ncontexts: [{name: y, context: {cluster: q}}]\n",
		 "its cluster is not there"},
		{CONFIG("    {}\n", TOKEN), "no server"},
		{CONFIG(SERVER "    proxy-url: http://p\n", TOKEN), "proxy-url"},
		{CONFIG(SERVER "    certificate-authority-data: \"***\"\n", TOKEN),
		 "certificate-authority-data is no base64"},
		{CONFIG(SERVER "    certificate-authority: a\n"
			       "    insecure-skip-tls-verify: true\n",
			TOKEN),
		 "exclude each other"},
		{CONFIG(SERVER, "    exec:\n      command: aws\n"), "by exec"},
		{CONFIG(SERVER, "    auth-provider:\n      name: gcp\n"), "by auth-provider"},
		{CONFIG(SERVER, "    username: u\n    password: p\n"), "by username"},
		{CONFIG(SERVER, "    client-certificate: a\n"), "without a key"},
		{CONFIG(SERVER, "    client-key-data: QQ==\n"), "without a certificate"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct kubeconfig config = {.server = (char *)"untouched"};
		char error[256];

		assert_int_equal(parse(rows[i].text, &config, error), -EINVAL);
		if (!strstr(error, rows[i].error))
			fail_msg("row %zu: %s", i, error);
		assert_null(strstr(error, "secret"));
		assert_string_equal(config.server, "untouched");
	}
}

static void test_base64(void **state)
{
	static const struct {
		const char *text;
		const char *expected; /* NULL: not base64 */
	} rows[] = {
		{"", ""},
		{"Zg==", "f"},
		{"Zm8=", "fo"},
		{"Zm9v", "foo"},
		{"Zm9v\nYmFy\r\n", "foobar"},
		{"+/+/", "\xfb\xff\xbf"},
		{"Z", NULL},
		{"Zg", NULL},
		{"Zg=", NULL},
		{"Zg===", NULL},
		{"Zg==Zg==", NULL},
		{"Zm9v!", NULL},
		{"AAAA", NULL},
		{"Zm-_", NULL},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		char *text = NULL;

		assert_int_equal(base64_decode(rows[i].text, &text),
				 rows[i].expected ? 0 : -EINVAL);
		if (rows[i].expected)
			assert_string_equal(text, rows[i].expected);
		free(text);
	}
}

/* Files of the credentials of a pod. */
struct pod {
	char directory[64];
	char token[80], ca[80];
};

static void write_file(const char *path, const char *text)
{
	FILE *file = fopen(path, "we");

	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static int pod_setup(void **state)
{
	struct pod *pod = calloc(1, sizeof(*pod));

	assert_non_null(pod);
	snprintf(pod->directory, sizeof(pod->directory), "/tmp/test_kubeconfig.XXXXXX");
	assert_non_null(mkdtemp(pod->directory));
	snprintf(pod->token, sizeof(pod->token), "%s/token", pod->directory);
	snprintf(pod->ca, sizeof(pod->ca), "%s/ca.crt", pod->directory);
	write_file(pod->token, "abc.def\n");
	write_file(pod->ca, "CA");
	*state = pod;
	return 0;
}

static int pod_teardown(void **state)
{
	struct pod *pod = *state;

	unlink(pod->token);
	unlink(pod->ca);
	rmdir(pod->directory);
	free(pod);
	return 0;
}

static int new_credentials(const struct pod *pod, struct kube_credentials_config config,
			   struct kube_credentials **ret, char error[static 256])
{
	config.directory = pod->directory;
	return kube_credentials_new(&config, ret, error, 256);
}

static void test_pod(void **state)
{
	struct pod *pod = *state;
	struct kube_credentials *credentials;
	char error[256];

	assert_int_equal(
		new_credentials(pod,
				(struct kube_credentials_config){.host = "fd00::1", .port = "6443"},
				&credentials, error),
		0);
	assert_string_equal(kube_credentials_server(credentials), "https://[fd00::1]:6443");
	assert_string_equal(kube_credentials_token(credentials), "abc.def");
	assert_string_equal(kube_credentials_tls(credentials).ca_file, pod->ca);
	write_file(pod->token, "new");
	assert_string_equal(kube_credentials_token(credentials), "new");
	/* What is no token does not replace one. */
	write_file(pod->token, "two lines\r\nX: y");
	assert_string_equal(kube_credentials_token(credentials), "new");
	unlink(pod->token);
	assert_string_equal(kube_credentials_token(credentials), "new");
	kube_credentials_free(credentials);
}

static void test_servers(void **state)
{
	static const struct {
		const char *server;
		const char *expected; /* NULL: an error */
	} rows[] = {
		{"https://10.0.0.1:6443/", "https://10.0.0.1:6443"},
		{"10.0.0.1:6443", "https://10.0.0.1:6443"},
		{"https://h/k8s/clusters/c-1//", "https://h/k8s/clusters/c-1"},
		{"http://127.0.0.1:8001", "http://127.0.0.1:8001"},
		{"http://10.0.0.1", NULL},
		{"https://user@10.0.0.1", NULL},
		{"https://h/?a=b", NULL},
		{"https://a b", NULL},
	};
	struct pod *pod = *state;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct kube_credentials *credentials = NULL;
		struct kube_credentials_config config = {.host = "10.96.0.1",
							 .api_server = rows[i].server};
		char error[256];
		int r = new_credentials(pod, config, &credentials, error);

		assert_int_equal(r, rows[i].expected ? 0 : -EINVAL);
		if (rows[i].expected)
			assert_string_equal(kube_credentials_server(credentials), rows[i].expected);
		assert_null(strstr(error, "abc"));
		kube_credentials_free(credentials);
	}
}

static void test_what_is_missing(void **state)
{
	struct pod *pod = *state;
	struct kube_credentials *credentials = NULL;
	const struct kube_credentials_config none = {};
	const struct kube_credentials_config config = {.host = "10.96.0.1"};
	const struct kube_credentials_config absent = {.kubeconfig = "/nonexistent/config"};
	char error[256];

	assert_int_equal(new_credentials(pod, none, &credentials, error), -EINVAL);
	assert_non_null(strstr(error, "--kubeconfig"));
	assert_int_equal(new_credentials(pod, absent, &credentials, error), -ENOENT);
	assert_non_null(strstr(error, "/nonexistent/config"));
	write_file(pod->token, "\n");
	assert_int_equal(new_credentials(pod, config, &credentials, error), -EBADMSG);
	assert_non_null(strstr(error, pod->token));
	unlink(pod->ca);
	assert_int_equal(new_credentials(pod, config, &credentials, error), -ENOENT);
	assert_non_null(strstr(error, pod->ca));
	assert_null(credentials);
}

#define POD_TEST(fn) cmocka_unit_test_setup_teardown(fn, pod_setup, pod_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_other_forms),
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_base64),
		POD_TEST(test_pod),
		POD_TEST(test_servers),
		POD_TEST(test_what_is_missing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
