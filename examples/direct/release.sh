#!/bin/sh
# One step of a release, called until it is over: for builds outside CodePipeline.
#
#   release.sh provision        its servers
#   release.sh deploy FOLDER    the build, onto them, by CodeDeploy
#   release.sh register         QA can reach it; release.env says where, and what of it was seen
#   release.sh promote          customers get it; with FINGERPRINT only what was seen
#   release.sh finish           it is kept: what was before it goes
#   release.sh rollback         nothing of it stays; if it is product, customers get the one before. If it is the one before
#                               itself, which a build that is tried again late may be, it is refused: that is the way back
#
# SERVICE and RELEASE say of what. A release has a name of its own: one that was rolled back does not come back.
# BUILDS_BUCKET is where builds are uploaded to. As need be: WAIT_SECONDS, how long a step may take (3600); PAUSE_SECONDS, how
# long before it is called again (5); POINTSMAN_PREFIX, what the functions' names begin with (pointsman); BY, who asks, for
# notices and the history (whom the CI names).
#
# It ends with 0: done. 1: failed. 2: not called right. 3: refused; the call that was refused changed nothing, what
# calls before it did stays. 5: AWS could not be asked. 6: not done in time. 130, 143: stopped.
set -eu

SERVICE=${SERVICE-} RELEASE=${RELEASE-} FINGERPRINT=${FINGERPRINT-}
step=${1-} child='' deployment='' began=$(date +%s) said=''
# The CLI makes throttled and cut-off calls again: any call may come twice.
export AWS_RETRY_MODE=standard AWS_MAX_ATTEMPTS=8 AWS_PAGER=''
# Version 1 of the CLI knows the region by this name only.
[ -z "${AWS_REGION-}" ] || export AWS_DEFAULT_REGION="$AWS_REGION"

# What is said at the end, wherever what runs just then writes to.
exec 3>&2
end() {
    code=$1
    shift
    printf 'release.sh %s: %s\n' "$step" "$*" >&3
    exit "$code"
}

# A shell minds signals while it waits, and not while a program runs in its foreground.
run() {
    "$@" &
    child=$! code=0
    wait "$child" || code=$?
    child=''
    return "$code"
}

# Says what is waited for, where that is news, and waits a little; or no longer, where it was too long.
later() {
    [ "$1" = "$said" ] || printf '%s\n' "$1"
    said=$1
    [ $(($(date +%s) - began)) -lt "${WAIT_SECONDS:-3600}" ] || end 6 "not done in time: $1"
    run sleep "${PAUSE_SECONDS:-5}"
}

stopped() {
    [ -z "$child" ] || kill "$child" 2>/dev/null || :
    undo=" 'rollback' undoes it." under_way='a call under way in AWS goes on for up to a minute'
    [ "$step" != rollback ] || undo=''
    [ -z "$deployment" ] || under_way='its deployment goes on, and a later one waits for its end'
    end "$1" "stopped. What $SERVICE $RELEASE has come to stays, and $under_way." \
        "'$step' again goes on from there.$undo"
}

# Reads a text of the answer, which is JSON on one line. Images that have the AWS CLI often have no jq.
text() {
    sed -nE 's/.*"'"$1"'":"(([^"\\]|\\.)*)".*/\1/p' "$work/answer" | plain
}

# Reads a list of texts, a line each.
list() {
    sed -nE 's/.*"'"$1"'":\["(([^"\\]|\\.|",")*)"\].*/\1/p' "$work/answer" | sed 's/","/\
/g' | plain
}

plain() {
    sed -e 's/\\n/\
/g' -e 's/\\"/"/g' -e 's/\\\\/\\/g'
}

# Who asks: GitHub's and GitLab's user, Jenkins' build. It becomes part of JSON, and a bot has brackets in its name.
by=$(printf %s "${BY:-${GITHUB_ACTOR:-${GITLAB_USER_LOGIN:-${BUILD_TAG-}}}}" | tr -cd 'A-Za-z0-9._:@+=/-' | cut -c 1-128)

# Calls a function until it no longer answers that it waits: call FUNCTION [MORE OF THE PAYLOAD].
call() {
    function=${POINTSMAN_PREFIX:-pointsman}-$1 threw=0
    printf '{"service":"%s","release":"%s"%s%s}' "$SERVICE" "$RELEASE" "${by:+,\"by\":\"$by\"}" "${2-}" > "$work/payload"
    while :; do
        # A function answers within its minute.
        run aws lambda invoke --function-name "$function" --payload "fileb://$work/payload" --cli-read-timeout 90 \
            --query FunctionError --output text "$work/answer" > "$work/error" || end 5 "$function could not be called."
        # Lambda's answer has no end of line, and sed wants one.
        echo >> "$work/answer"
        if [ "$(cat "$work/error")" = None ]; then
            status=$(text status) reason=$(text reason) threw=0
        else
            # What it did stands, and the next call finds it.
            status=waiting reason="$function gave no answer, it is called again: $(cat "$work/answer")" threw=$((threw + 1))
            [ "$threw" -lt 3 ] || end 1 "$function gave no answer three times: $(cat "$work/answer")"
        fi
        case $status in
        done)
            printf 'done: %s\n' "$reason"
            list details | sed 's/^/  /'
            return
            ;;
        waiting) later "$reason" ;;
        refused) end 3 "refused: $reason" ;;
        *) end 1 "failed: ${reason:-$(cat "$work/answer")}" ;;
        esac
    done
}

# Uploads a folder with an appspec.yml, and deploys it to the servers that are pre-product.
deploy() {
    key=$SERVICE/$RELEASE.zip
    run aws deploy push --application-name "$SERVICE" --source "$1" --s3-location "s3://$BUILDS_BUCKET/$key" > /dev/null ||
        end 1 "$1 could not be uploaded."
    # CodeDeploy takes one at a time. A build that was stopped leaves its own, which ends within an hour when its servers are gone.
    until run aws deploy create-deployment --application-name "$SERVICE" --deployment-group-name pre-product \
        --s3-location "bucket=$BUILDS_BUCKET,key=$key,bundleType=zip" --query deploymentId --output text \
        > "$work/answer" 2> "$work/error"; do
        grep -q DeploymentLimitExceeded "$work/error" || end 1 "CodeDeploy did not take it: $(cat "$work/error")"
        later "waiting for another deployment to end: $(sed -n 's/.* operation: //p' "$work/error")"
    done
    deployment=$(cat "$work/answer") status=''
    printf 'deployment %s\n' "$deployment"
    until [ "$status" = Succeeded ]; do
        run aws deploy get-deployment --deployment-id "$deployment" --output text \
            --query 'deploymentInfo.[status,errorInformation.message]' > "$work/answer" || end 5 "CodeDeploy could not be asked."
        status=$(head -n 1 "$work/answer" | cut -f 1)
        case $status in
        Succeeded) ;;
        Failed | Stopped) end 1 "failed: $(cut -f 2- "$work/answer")" ;;
        *) later "waiting for deployment $deployment, which is $status" ;;
        esac
    done
    printf 'done: %s is on its servers\n' "$RELEASE"
}

# They become part of JSON, and of an upload's key.
for name in "$SERVICE" "$RELEASE" "${FINGERPRINT:-none}"; do
    case $name in
    '' | *[!A-Za-z0-9._:@+=-]*) end 2 "SERVICE, RELEASE and FINGERPRINT are made of letters, digits and . _ : @ + = -" ;;
    esac
done
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'stopped 130' INT
trap 'stopped 143' TERM

case $step in
provision) call provision ;;
deploy)
    if [ -z "${BUILDS_BUCKET-}" ] || [ ! -f "${2-}/appspec.yml" ]; then
        end 2 "it needs BUILDS_BUCKET, and a folder with appspec.yml"
    fi
    deploy "$2"
    ;;
register)
    call register
    printf '%s\n' "RELEASE=$RELEASE" "PRE_PRODUCT_URL=$(text PreProductUrl)" "FINGERPRINT=$(text Fingerprint)" > release.env
    ;;
promote) call promote "${FINGERPRINT:+,\"fingerprint\":\"$FINGERPRINT\"}" ;;
finish) call teardown ',"action":"finish"' ;;
rollback) call teardown ',"action":"rollback","spare":"way-back"' ;;
*) end 2 "$(sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//p;}' "$0")" ;;
esac
