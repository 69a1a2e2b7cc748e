#!/bin/bash
# What a Pod starts. Spark says by the first argument which of its two parts it is, and the rest by variables.
set -euo pipefail

case "${1:-}" in
    driver)
        shift
        exec spark-submit --deploy-mode client --conf "spark.driver.bindAddress=$SPARK_DRIVER_BIND_ADDRESS" "$@"
        ;;
    executor)
        java_options=()
        for ((number = 0; ; number++)); do
            name="SPARK_JAVA_OPT_$number"
            [ -n "${!name:-}" ] || break
            java_options+=("${!name}")
        done
        exec java "${java_options[@]}" "-Xms$SPARK_EXECUTOR_MEMORY" "-Xmx$SPARK_EXECUTOR_MEMORY" \
            -cp "${SPARK_CONF_DIR:-}:$SPARK_HOME/jars/*" \
            org.apache.spark.scheduler.cluster.k8s.KubernetesExecutorBackend \
            --driver-url "$SPARK_DRIVER_URL" --executor-id "$SPARK_EXECUTOR_ID" --cores "$SPARK_EXECUTOR_CORES" \
            --app-id "$SPARK_APPLICATION_ID" --hostname "$SPARK_EXECUTOR_POD_IP" \
            --resourceProfileId "$SPARK_RESOURCE_PROFILE_ID" --podName "$SPARK_EXECUTOR_POD_NAME"
        ;;
    *)
        echo "Spark starts this as 'driver' or 'executor', not as '${1:-}': submit with --on kubernetes." >&2
        exit 2
        ;;
esac
