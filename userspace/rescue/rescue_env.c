/* SPDX-License-Identifier: Apache-2.0 */
#include "rescue/rescue_env.h"

#include "base/hashmap.h"
#include "datapath/dp_rescue.h"
#include "loop/loop.h"
#include "rescue/client_netns_cache.h"

#include <stdlib.h>

int rescue_env_init(struct rescue_env *env, struct loop *loop)
{
	int err;

	*env = (struct rescue_env){.loop = loop, .mark_attempts = true};
	pthread_mutex_init(&env->lock, NULL);
	err = client_netns_cache_new(&env->netns);
	if (!err)
		err = hashmap_new(&env->jobs);
	if (!err)
		err = hashmap_new(&env->idle);
	if (!err)
		err = hashmap_new(&env->refused);
	if (!err)
		err = hashmap_new(&env->budgets);
	if (err)
		rescue_env_done(env);
	return err;
}

void rescue_env_done(struct rescue_env *env)
{
	if (env->budgets) {
		hashmap_foreach(env->budgets, iter)
			free(iter.value);
	}
	hashmap_free(env->budgets);
	hashmap_free(env->jobs);
	hashmap_free(env->idle);
	hashmap_free(env->refused);
	client_netns_cache_free(env->netns);
	pthread_mutex_destroy(&env->lock);
	*env = (struct rescue_env){};
}

static struct rescue_budget *find_budget(struct rescue_env *env, uint32_t service)
{
	struct rescue_budget *budget = hashmap_get(env->budgets, &service, sizeof(service));

	if (budget)
		return budget;
	budget = calloc(1, sizeof(*budget));
	if (!budget || hashmap_put(env->budgets, &service, sizeof(service), budget)) {
		free(budget);
		return NULL;
	}
	/* It had no request when it was last counted, or there would be one. */
	*budget = rescue_budget_from(env->counted);
	return budget;
}

void rescue_env_count_requests(struct rescue_env *env, uint64_t now)
{
	for (uint32_t service = 0; service < SW_MAX_SERVICES; service++) {
		uint64_t requests = dp_rescue_requests(env->datapath, service);
		struct rescue_budget *budget = requests ? find_budget(env, service) : NULL;

		/* Without memory there is none, and nothing is replayed. */
		if (budget)
			rescue_budget_count(budget, requests, now);
	}
	env->counted = now;
}

typedef bool ask_fn(struct rescue_budget *budget, uint32_t percent, uint64_t requests,
		    uint64_t now);

static bool ask(struct rescue_env *env, uint32_t service, ask_fn *fn)
{
	struct rescue_budget *budget = find_budget(env, service);
	uint32_t percent = dp_rescue_service(env->datapath, service)->policy.retry_budget;

	return budget &&
	       fn(budget, percent, dp_rescue_requests(env->datapath, service), loop_now(env->loop));
}

bool rescue_env_begin_replay(struct rescue_env *env, uint32_t service)
{
	return ask(env, service, rescue_budget_begin);
}

bool rescue_env_replay_again(struct rescue_env *env, uint32_t service)
{
	return ask(env, service, rescue_budget_further);
}

void rescue_env_end_replay(struct rescue_env *env, uint32_t service)
{
	struct rescue_budget *budget = hashmap_get(env->budgets, &service, sizeof(service));

	if (budget)
		rescue_budget_end(budget);
}

void rescue_env_impossible(struct rescue_env *env, enum sw_obstacle obstacle)
{
	pthread_mutex_lock(&env->lock);
	env->results.stats.impossible[obstacle]++;
	pthread_mutex_unlock(&env->lock);
}

void rescue_env_note(struct rescue_env *env, const struct rescue_note *note)
{
	struct rescue_results *results = &env->results;

	pthread_mutex_lock(&env->lock);
	results->stats.ended[note->cause][note->outcome]++;
	if (note->outcome == RESCUE_RESCUED)
		histogram_add(&results->stats.latency, note->took);
	results->recent[results->notes++ % RESCUE_RECENT] = *note;
	pthread_mutex_unlock(&env->lock);
}
