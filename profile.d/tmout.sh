# tmout.sh, in /etc/profile.d: gives a shell with a prompt its user's idle limit.
#
# pam_tmout(8) decides at login and passes its decision in an environment variable:
# "<seconds> readonly", "<seconds> default" or "none". An SSH login without one gets
# the number below: ten minutes, or less if `tmoutctl shells --literal` has written
# the policy's default there.
#
# Programs get no limit: in a script of bash or ksh93, `slow | while read` would lose
# data. So only a shell with a prompt goes on here. One that runs a command (-c) never
# comes to a prompt, even with -i; the command may start one, which reads this again.
# Nor is there one without a terminal (below).
case $- in *c*) return 0 ;; *i*) ;; *) return 0 ;; esac #
tmout_limit=600
case $tmout_limit in *[!0123456789]) tmout_limit=${tmout_limit%?} ;; esac #
#
# What scanners and hardening roles run edits, deletes and appends lines that name the
# shells' variable. So no line down to the last `return` names it. What follows is
# only read by scanners. And the comment at the end of each line takes up the carriage
# return of an editor that writes them; the line above does it for the number.
tmout_name=T'MOUT' #
#
# All Bourne-like shells read this, in whatever state the user's environment or a
# site's scripts have put them. So it uses only keywords and special builtins (others
# are made safe first), starts no process, leaves no name and no option behind, and
# sets nothing in a shell without a timeout.
#
# bash imports functions from the environment, even ones named like builtins.
# In POSIX mode its special builtins take precedence over them, and the mode is
# switched on by an assignment, which no function can intercept. Only a real
# bash shows it in SHELLOPTS. Leaving the mode sets options to their defaults
# instead of their previous values, hence the loop.
tmout_options=${BASHOPTS-} #
tmout_shell='' #
case ${BASH_VERSION:+:${SHELLOPTS-}:} in #
'') ;; #
*:posix:*) \unset -f command 2>/dev/null || tmout_mode= ;; # or it is not bash
*) #
    POSIXLY_CORRECT=y #
    case :${SHELLOPTS-}: in #
    *:posix:*) #
        tmout_shell=bash #
        \unset -f command eval readonly return shopt unset #
        \unset POSIXLY_CORRECT #
        for tmout_mode in expand_aliases inherit_errexit interactive_comments shift_verbose sourcepath; do #
            case :$tmout_options: in #
            *:"$tmout_mode":*) shopt -s "$tmout_mode" ;; #
            *) shopt -u "$tmout_mode" ;; #
            esac || tmout_mode= # not in every version
        done 2>/dev/null #
        ;; #
    *) \unset POSIXLY_CORRECT ;; #
    esac #
    ;; #
esac #
#
# The other shells. Each of these variables is set by its own shell whatever the
# environment has, and may be forged in the others. So zsh is asked for an option that
# is always on, by a name that only zsh accepts; and what ksh93 and mksh get works in
# the others, too, unless a site has made the variable readonly.
case $tmout_shell:${ZSH_VERSION:+zsh} in #
:zsh) if [[ -o E_X_E_C ]]; then tmout_shell=zsh; fi 2>/dev/null ;; #
esac #
case $tmout_shell:${KSH_VERSION-}:${BASH_VERSION-} in #
bash:* | zsh:*) ;; #
:Version*) tmout_shell=ksh93 ;; #
:?*:*) tmout_shell=mksh ;; #
::?*) tmout_shell=bash ;; #
esac #
#
# The decision. Anything but its exact form counts as no decision.
eval "tmout_options=\${PAM_$tmout_name-}" #
case $tmout_options in #
none) tmout_mode=none ;; #
*' readonly') tmout_mode='readonly' ;; #
*' default') tmout_mode=default ;; #
*) tmout_mode='' ;; #
esac #
case $tmout_mode:${tmout_options%" $tmout_mode"} in #
none:*) ;; #
:* | *:0* | *:*[!0123456789]* | *: | *:?????????*) tmout_mode=${SSH_CONNECTION:+readonly} ;; #
*) tmout_limit=${tmout_options%" $tmout_mode"} ;; #
esac #
#
# A shell that is called interactive (-i) but whose standard input is no terminal is a
# program, too: nobody sits there. ksh93 also knows when it runs a script (no s), and
# bash is then called by the name of a file that is not bash.
case $tmout_shell:$- in #
ksh93:*s*) [[ -t 0 ]] || tmout_mode=none ;; #
ksh93:*) tmout_mode=none ;; #
bash:*) [[ -t 0 && ! -f $0 ]] || [[ -t 0 && $0 -ef $BASH ]] || tmout_mode=none ;; #
?*:*) [[ -t 0 ]] || tmout_mode=none ;; #
esac #
#
# Setting it. If a site's script has already made the variable readonly, its value
# stays: changing it would be an error, which ends this file or worse. Each shell has
# a way of its own to survive that error.
case $tmout_mode:$tmout_shell in #
: | :* | none:* | *:) tmout_mode=none ;; #
*:zsh) #
    if [[ -o posixbuiltins ]]; then #
        command eval "$tmout_name=\$tmout_limit" #
    else #
        eval "$tmout_name=\$tmout_limit" #
    fi #
    ;; #
*:mksh) #
    # It says 1 at the end of the file, 2 where it cannot set the variable.
    read -r "$tmout_name" </dev/null || case $? in #
    1) eval "$tmout_name=\$tmout_limit" ;; #
    *) tmout_mode=none ;; #
    esac #
    ;; #
*) #
    # ksh93 only warns at the limit and exits a minute later.
    case $tmout_shell in #
    ksh93) tmout_limit=$((tmout_limit > 60 ? tmout_limit - 60 : 1)) ;; #
    esac #
    command eval "$tmout_name=\$tmout_limit" #
    ;; #
esac 2>/dev/null || tmout_mode=none #
case $tmout_mode in #
'readonly') readonly "$tmout_name" ;; #
esac #
unset tmout_options tmout_name tmout_limit tmout_mode tmout_shell #
return 0 #
#
# For compliance scanners, which read text and run nothing: the limit of logins that
# the policy did not reach, in the forms that they look for. The number is that at the
# top, and `tmoutctl shells --literal` keeps it so. No shell gets here: where a decision
# (PAM_TMOUT) or an SSH login asks for it, the lines above have set TMOUT.
    declare -xr TMOUT=600

    TMOUT=600
    readonly TMOUT
    export TMOUT
