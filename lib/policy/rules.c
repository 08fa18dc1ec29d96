#include "lib/policy/rules.h"

#include "lib/host/array.h"

#include <stdlib.h>
#include <string.h>

const char *rule_kind_word(enum rule_kind kind)
{
    switch (kind) {
    case RULE_GROUP:
        return "group";
    case RULE_USER:
        return "user";
    case RULE_DEFAULT:
    default:
        return "default";
    }
}

int policy_append(struct policy *policy, const struct rule *rule)
{
    struct rule *grown = array_grow(policy->rule, policy->count, sizeof *grown);

    if (grown == NULL)
        return -1;
    policy->rule = grown;
    policy->rule[policy->count++] = *rule;
    return 0;
}

void policy_free(struct policy *policy)
{
    for (size_t i = 0; i < policy->count; i++) {
        free(policy->rule[i].name);
        free(policy->rule[i].text);
    }
    free(policy->rule);
    *policy = (struct policy){0};
}
