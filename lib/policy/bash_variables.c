#include "lib/policy/bash_variables.h"

const struct bash_variable bash_variables[] = {
    {"POSIXLY_CORRECT", true}, {"SHELLOPTS", true},      {"BASHOPTS", true},
    {"BASH_ENV", false},       {"ENV", false},           {"PAM_TMOUT", false},
    {"TMOUT", false},          {"BASH_FUNC_.%%", false}, /* a function called "." */
};

const size_t bash_variable_count = sizeof bash_variables / sizeof *bash_variables;
