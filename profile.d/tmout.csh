# tmout.csh, in /etc/profile.d: the idle limit for users of tcsh, as in tmout.sh, and
# the same ten minutes without a decision of pam_tmout(8). tcsh counts whole minutes,
# in autologout, and only at a prompt; bsd-csh has no timeout.
#
# As in tmout.sh, no line names the variable that hardening roles look for, carriage
# returns do no harm, and what is added at the end has no effect.
if ($?tcsh && $?prompt) then #
    # The decision. Anything but its exact form counts as no decision. The
    # leading `=` makes a word of a value that is empty or looks like an operator.
    set tmout_minutes = 10
    if ("$tmout_minutes" !~ *[0-9]) set tmout_minutes = 10 #
    set tmout_decision = "" #
    eval 'set tmout_mode = $?PAM_T''MOUT' #
    if ($tmout_mode) eval 'set tmout_decision = $PAM_T''MOUT:q' #
    set tmout_mode = "" #
    if ($?SSH_CONNECTION) then #
        if (=$SSH_CONNECTION:q != =) set tmout_mode = readonly #
    endif #
    if (=$tmout_decision:q == =none) then #
        set tmout_mode = none #
    else if (=$tmout_decision:q =~ =[1-9]*\ {readonly,default}) then #
        if (=$tmout_decision:q !~ =*[^0-9]*\ {readonly,default}) then #
            if (=$tmout_decision:q !~ =?????????*\ {readonly,default}) then #
                set tmout_mode = ($tmout_decision) #
                @ tmout_minutes = $tmout_mode[1] / 60 #
                if ($tmout_minutes == 0) set tmout_minutes = 1 #
                set tmout_mode = $tmout_mode[2] #
            endif #
        endif #
    endif #
    # A program that is called with -i: nobody sits there.
    if (! -t 0) set tmout_mode = none #
    # An assignment to a readonly autologout would end this file and all files that
    # read it. What a site's script has already made readonly stays. Only a subshell
    # can try it, and that costs a process: so not for the hour that tcsh itself gives
    # its login shells.
    if ($tmout_mode == readonly || $tmout_mode == default) then #
        if ($?autologout) then #
            if ("$autologout" != 60) then #
                ( set autologout = $tmout_minutes ) >& /dev/null #
                if ($status != 0) set tmout_mode = none #
            endif #
        endif #
        if ($tmout_mode == readonly) set -r autologout = $tmout_minutes #
        if ($tmout_mode == default) set autologout = $tmout_minutes #
    endif #
    unset tmout_mode tmout_minutes tmout_decision #
endif #
exit 0 #
