/* SPDX-License-Identifier: Apache-2.0 */
#include "datapath/dp_problem.h"

#include <stdarg.h>
#include <stdio.h>

int dp_problem(struct dp_problem *problem, int err, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(problem->text, sizeof(problem->text), format, args);
	va_end(args);
	return err;
}
