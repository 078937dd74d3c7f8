#!/bin/sh
# A tag that anybody may push must not deploy; a pipeline that silently does nothing would look like a deploy.
echo "error: tag ${CI_COMMIT_TAG:-?} is not protected, so it is not deployed; protect it in Settings > Repository > Protected tags and run the pipeline again" >&2
exit 1
