# What stands in front: nginx with the files of the page, and the way to the gateway.
# Built from the root of the repository: docker build -f step4_docker/frontend.Dockerfile .
ARG NGINX_IMAGE=nginxinc/nginx-unprivileged:1.29

FROM ${NGINX_IMAGE}
ARG REVISION=unknown
LABEL org.opencontainers.image.title="classifier frontend" \
      org.opencontainers.image.revision="${REVISION}"
COPY step4_docker/frontend/ /etc/nginx/
COPY step3_microservices/gateway/static /usr/share/nginx/html/static
COPY shared/samples/*.jpg /usr/share/nginx/html/samples/
USER 101:101
EXPOSE 8080
STOPSIGNAL SIGQUIT
HEALTHCHECK --interval=2s --timeout=2s --start-period=5s CMD ["curl", "--silent", "--fail", "--output", "/dev/null", "http://127.0.0.1:8080/healthz"]
# Straight to nginx: the base's own entry point is a shell script that rewrites files, and here nothing may be written.
ENTRYPOINT ["nginx", "-e", "/dev/stderr", "-g", "daemon off;"]
