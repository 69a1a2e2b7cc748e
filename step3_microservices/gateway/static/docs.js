// Swagger UI on this service's own OpenAPI document; its online validator stays out, as nothing leaves this origin.

SwaggerUIBundle({ url: document.body.dataset.openapi, dom_id: "#swagger", validatorUrl: null, deepLinking: true });
