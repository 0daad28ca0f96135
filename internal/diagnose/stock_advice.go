package diagnose

import "github.com/whygate/whygate/internal/fault"

// stockAdvice is what to do about products' own answers where the catalogue's words, which are about a proxy of one's own, do not fit:
// names in capitals are what nobody but the reader knows.
var stockAdvice = map[string]map[fault.Cause]string{
	"railway": {
		fault.CauseNoRoute: "In Railway, see that the service is deployed and runs, and that this name is among its domains (Settings, Networking).",
		fault.CauseUnknown: "Let the application listen at 0.0.0.0 and the port in PORT, and let the domain's target port be that one; its deploy log tells whether it runs.",
	},
	"render": {
		fault.CauseNoEndpoints:    "In Render, see that the service exists and its last deploy is live, and that this name is among its custom domains.",
		fault.CauseServiceStopped: "Resume the service in Render's dashboard, which says who suspended it: you, or the account's billing.",
		fault.CauseUnknown:        "Read the service's log in Render's dashboard at that second; the application must listen at 0.0.0.0 and the port in PORT.",
	},
	"heroku": {fault.CauseWrongHost: "Give the application the name: heroku domains:add NAME --app APP; heroku domains lists those that it has."},
	"vercel": {
		fault.CauseWrongHost:        "Give the project the name (vercel domains add NAME PROJECT), or deploy again where the deployment was deleted.",
		fault.CauseNoRoute:          "See in the deployment's files whether the page was built (vercel inspect URL), and for an application of one page add a rewrite of every path to it.",
		fault.CauseApplicationError: "Read the function's log at that second: vercel logs URL, by the id in X-Vercel-Id.",
	},
	"netlify": {
		fault.CauseWrongHost:        "Give the site the name (Domain management), or correct the DNS record that leads here.",
		fault.CauseNoRoute:          "See in the deploy's files whether the page was built, and for an application of one page add to _redirects: /* /index.html 200",
		fault.CauseApplicationError: "Read the function's log at that second (Logs, Functions); a function must return an object with statusCode and a body that is text.",
		fault.CauseHeadTimeout:      "Let the function, or the origin that a redirect with status 200 leads to, answer in less than its limit, or do the work in a background function.",
	},
	"openshift": {fault.CauseNoEndpoints: "See whether a route has this host, and its service a pod that is ready: oc get route -A | grep HOST; oc get endpoints SERVICE -n NAMESPACE"},
	"gorouter":  {fault.CauseNoRoute: "See whether the application runs and has the route: cf apps; cf routes; cf map-route APP DOMAIN --hostname NAME"},
	"cloud-run": {
		fault.CauseNoRoute:       "See that the service and the domain mapping exist in this project and region: gcloud run services list; gcloud beta run domain-mappings list",
		fault.CauseRequestDenied: "If everybody may ask it: gcloud run services add-iam-policy-binding SERVICE --member=allUsers --role=roles/run.invoker; else send an identity token; and see its ingress setting.",
		fault.CauseUnknown:       "Read the service's log at that second: gcloud run services logs read SERVICE; it tells of memory, of a crash, or of a start that took too long.",
	},
	"lambda": {
		fault.CauseRequestDenied:    "Give the function's URL the auth type NONE and a permission for lambda:InvokeFunctionUrl, or sign the request.",
		fault.CauseApplicationError: "Read the function's log at that second: aws logs tail /aws/lambda/NAME --since 15m",
	},
	"api-gateway":  {fault.CauseNoRoute: "See the routes and the stage that is deployed: aws apigatewayv2 get-routes --api-id ID, or aws apigateway get-resources --rest-api-id ID; the path begins with the stage's name unless a domain is mapped."},
	"cloudfront":   {fault.CauseWrongHost: "Add the name to the distribution's alternate domain names, with a certificate that has it, and see that its DNS record leads to this distribution."},
	"bunny":        {fault.CauseWrongHost: "Add the host name to the pull zone, and see that the account is not suspended."},
	"akamai":       {fault.CauseWrongHost: "Add the host name to the property and activate it, and see that its DNS record leads to that property's edge host name."},
	"gcs":          {fault.CauseWrongHost: "Make a bucket of exactly this name, or correct the DNS record that leads here."},
	"s3":           {fault.CauseWrongHost: "Make a bucket of exactly this name, or correct the DNS record or the origin that leads here: whoever makes the bucket first has the site."},
	"koyeb":        {fault.CauseNoRoute: "In Koyeb, see that the service is healthy and not paused, and that this name is among the application's domains; its log tells of a crash."},
	"deno-deploy":  {fault.CauseWrongHost: "Give the project the name, or deploy again where the deployment was deleted."},
	"digitalocean": {fault.CauseNoRoute: "See that the application's last deployment is active, and that this name is among its domains: doctl apps list"},
	"azure-app-service": {
		fault.CauseWrongHost:      "Bind the name to the application: az webapp config hostname add --webapp-name APP --resource-group GROUP --hostname NAME",
		fault.CauseServiceStopped: "Start it: az webapp start --name APP --resource-group GROUP; a plan whose quota is used up stops it too.",
		fault.CauseServiceFailed:  "Read its log: az webapp log tail --name APP --resource-group GROUP; the application must listen at the port that WEBSITES_PORT or PORT names.",
	},
	"azure-front-door": {fault.CauseWrongHost: "Add the name as a custom domain to an endpoint's route, and wait until it is deployed; the record must lead to that endpoint."},
	"shopify":          {fault.CauseWrongHost: "See that the shop is open and has the domain (Settings, Domains)."},
	"pantheon":         {fault.CauseWrongHost: "Add the domain to the site's environment in Pantheon, or correct the DNS record that leads here."},
	"surge":            {fault.CauseWrongHost: "Publish the project under this name: surge DIRECTORY NAME"},
	"localtunnel":      {fault.CauseNobodyAvailable: "Start the program that holds the tunnel open again: lt --port PORT --subdomain NAME"},
	"ngrok":            {fault.CauseNobodyAvailable: "Start the agent that holds the tunnel open: ngrok http PORT --url NAME"},
	"gravitee":         {fault.CauseNoRoute: "See that the API is started and deployed to this gateway (its sharding tags), and that its context path or virtual host fits."},
	"krakend":          {fault.CauseUnknown: "Read KrakenD's log at that second: it has the backend's error; return_error_details of the backend shows it to clients as well."},
	"trafficserver":    {fault.CauseNoRoute: "Add a line for the host to remap.config, and reload: map http://HOST/ http://ORIGIN/; traffic_ctl config reload"},
	"big-ip":           {fault.CauseNobodyAvailable: "See which members of the pool are down, and by which monitor: tmsh show ltm pool POOL members"},
	"spring-webflux":   {fault.CauseNoEndpoints: "See that the service has registered under the name in the route's lb:// URI, and that spring-cloud-starter-loadbalancer is there; its log says for which name there is no instance."},
	"php":              {fault.CauseNoRoute: "Let SCRIPT_FILENAME be the script's path as the PHP-FPM process sees it: fastcgi_param SCRIPT_FILENAME $document_root$fastcgi_script_name; in containers root is the path within PHP's, and the files must be there too."},
	"iis": {
		fault.CauseWrongHost: "Add a binding for the host: New-WebBinding -Name SITE -HostHeader NAME -Port 80; an application of its own needs the prefix http://+:PORT/.",
		fault.CauseNoRoute:   "See who has registered which URL, and whether the site or the service is started: netsh http show servicestate",
	},
	"rails":       {fault.CauseWrongHost: `Add to the environment's file, and start it again: config.hosts << "NAME"`},
	"vite":        {fault.CauseWrongHost: "Add to vite.config, and start it again: server: { allowedHosts: ['NAME'] }; behind a gateway that may send its own host, send localhost."},
	"webpack":     {fault.CauseWrongHost: "Add to the configuration, and start it again: devServer: { allowedHosts: ['NAME'] }"},
	"django":      {fault.CauseWrongHost: "Add the name that comes in Host to the settings: ALLOWED_HOSTS = ['NAME']; its log says Invalid HTTP_HOST header where that was it."},
	"nextcloud":   {fault.CauseWrongHost: "Add the name: occ config:system:set trusted_domains 1 --value=NAME"},
	"modsecurity": {fault.CauseContentFilter: "Find the rule's id in the audit log (modsec_audit.log), and take it out for this path: SecRuleRemoveById ID"},
	"zscaler":     {fault.CauseContentFilter: "Ask whoever runs the network to let the site pass, or walk from another network."},
	"fortigate":   {fault.CauseContentFilter: "Ask whoever runs the network to let the site pass, or walk from another network."},
}
