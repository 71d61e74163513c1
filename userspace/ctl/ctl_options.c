/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/ctl_options.h"

#include "base/cleanup.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <string.h>

#define DEFAULT_PIN_DIR        "/sys/fs/bpf/swerve"
#define DEFAULT_STATUS_ADDRESS "127.0.0.1:9810"

const char ctl_options_help[] =
	"usage: swervectl services|backends|rescue [option...] [NAME-FILTER]\n"
	"       swervectl status [option...]\n"
	"\n"
	"Shows what swerved believes and what the kernel holds, joined, and where the two\n"
	"differ. Without a daemon, what the kernel holds.\n"
	"\n"
	"  services                   service ports: frontends, endpoints, counters\n"
	"  backends                   endpoints: health, why, and how the kernel ranks them\n"
	"  status                     daemon, heartbeat, counts, every difference\n"
	"  rescue                     failed requests that were replayed on another endpoint\n"
	"\n"
	"NAME-FILTER is a part of a service's name or, with one of *?[, a shell pattern for all\n"
	"of it; for backends, also of the address or the pod.\n"
	"\n"
	"  -o, --output FORMAT        table (default), wide or json\n"
	"  --pin-dir DIR              where swerved has pinned its maps\n"
	"                             (default " DEFAULT_PIN_DIR "; SWERVE_PIN_DIR)\n"
	"  --status-address ADDR:PORT where swerved answers; empty to ask none\n"
	"                             (default " DEFAULT_STATUS_ADDRESS "; SWERVE_STATUS_ADDRESS)\n"
	"  --version                  print the version and exit\n"
	"  --help                     print this text and exit\n"
	"\n"
	"Exit status: 0, 1 if neither daemon nor maps could be read, 2 for a wrong command line.\n"
	"docs/swervectl.md describes every column and every field of the JSON.\n";

static const char *const verbs[] = {[CTL_SERVICES] = "services",
				    [CTL_BACKENDS] = "backends",
				    [CTL_STATUS] = "status",
				    [CTL_RESCUE] = "rescue"};
_Static_assert(ARRAY_SIZE(verbs) == CTL_VERB_COUNT, "a name for every verb");

static const char *const formats[] = {
	[CTL_TABLE] = "table", [CTL_WIDE] = "wide", [CTL_JSON] = "json"};
_Static_assert(ARRAY_SIZE(formats) == CTL_FORMAT_COUNT, "a name for every format");

struct parser {
	struct ctl_options options;
	const char *format;
	size_t words; /* verb and filter seen so far */
	char *error;
	size_t error_size;
};

static int fail(struct parser *parser, const char *what, const char *subject)
{
	snprintf(parser->error, parser->error_size, "%s%s; see --help.", what, subject);
	return -EINVAL;
}

static int find_name(const char *const names[], size_t count, const char *text)
{
	for (size_t i = 0; i < count; i++) {
		if (!strcmp(names[i], text))
			return (int)i;
	}
	return -1;
}

static int parse_word(struct parser *parser, const char *word)
{
	int verb = find_name(verbs, ARRAY_SIZE(verbs), word);

	switch (parser->words++) {
	case 0:
		if (verb < 0)
			return fail(parser, "unknown command ", word);
		parser->options.verb = (enum ctl_verb)verb;
		return 0;
	case 1:
		parser->options.filter = word;
		return 0;
	default:
		return fail(parser, "unexpected argument ", word);
	}
}

static const char **find_option(struct parser *parser, const char *name, size_t len)
{
	const struct {
		const char *name;
		const char **value;
	} rows[] = {
		{"--pin-dir", &parser->options.pin_dir},
		{"--status-address", &parser->options.status_address},
		{"--output", &parser->format},
		{"-o", &parser->format},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		if (strlen(rows[i].name) == len && !memcmp(rows[i].name, name, len))
			return rows[i].value;
	}
	return NULL;
}

/* Handles an option with a value; returns how many arguments it took, or -EINVAL. */
static int parse_option(struct parser *parser, int argc, char *const argv[], int i)
{
	const char *arg = argv[i], *equals = strchr(arg, '=');
	const char **value =
		find_option(parser, arg, equals ? (size_t)(equals - arg) : strlen(arg));

	if (!value && !strncmp(arg, "-o", 2) && arg[2] && arg[2] != '=') {
		parser->format = arg + 2;
		return 1;
	}
	if (!value)
		return fail(parser, "unknown option ", arg);
	if (equals) {
		*value = equals + 1;
		return 1;
	}
	if (i + 1 >= argc)
		return fail(parser, "a value is missing after ", arg);
	*value = argv[i + 1];
	return 2;
}

/* Handles argv[i]; returns how many arguments it took, or -EINVAL. */
static int parse_one(struct parser *parser, int argc, char *const argv[], int i)
{
	const char *arg = argv[i];

	if (!strcmp(arg, "--help") || !strcmp(arg, "-h")) {
		parser->options.help = true;
		return 1;
	}
	if (!strcmp(arg, "--version")) {
		parser->options.version = true;
		return 1;
	}
	if (arg[0] == '-')
		return parse_option(parser, argc, argv, i);
	return parse_word(parser, arg) ? -EINVAL : 1;
}

static int finish(struct parser *parser)
{
	int format = find_name(formats, ARRAY_SIZE(formats), parser->format);

	if (format < 0)
		return fail(parser, "the format is none of table, wide, json: ", parser->format);
	parser->options.format = (enum ctl_format)format;
	if (parser->options.help || parser->options.version)
		return 0;
	if (!parser->words)
		return fail(parser, "a command is missing",
			    ": services, backends, status or rescue");
	if (parser->options.verb == CTL_STATUS && parser->options.filter)
		return fail(parser, "unexpected argument ", parser->options.filter);
	return 0;
}

static const char *from_env(char *(*env)(const char *name), const char *name, const char *fallback)
{
	const char *value = env(name);

	return value ? value : fallback;
}

int ctl_options_parse(int argc, char *const argv[], char *(*env)(const char *name),
		      struct ctl_options *ret, char *error, size_t error_size)
{
	struct parser parser = {
		.options = {.pin_dir = from_env(env, "SWERVE_PIN_DIR", DEFAULT_PIN_DIR),
			    .status_address =
				    from_env(env, "SWERVE_STATUS_ADDRESS", DEFAULT_STATUS_ADDRESS)},
		.format = formats[CTL_TABLE],
		.error = error,
		.error_size = error_size,
	};

	for (int i = 1; i < argc;) {
		int taken = parse_one(&parser, argc, argv, i);

		if (taken < 0)
			return taken;
		i += taken;
	}
	if (finish(&parser))
		return -EINVAL;
	*ret = parser.options;
	return 0;
}

bool ctl_options_match(const struct ctl_options *options, const char *text)
{
	if (!options->filter)
		return true;
	if (strpbrk(options->filter, "*?["))
		return !fnmatch(options->filter, text, 0);
	return strstr(text, options->filter);
}
